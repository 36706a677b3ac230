"""The table of outcomes: every reason has a row, and the rows do not contradict each other."""

import pytest

from dohproxy.outcomes import OUTCOMES, OutcomeRow, Reason, reason_of_fault, told_as
from dohproxy.wire.malformed import Fault
from dohproxy.wire.numbers import Rcode

UNREADABLE = {Fault.TOO_SHORT, Fault.TOO_LONG, Fault.RESPONSE, Fault.LENGTH_PREFIX}
JUDGED_BEFORE_THE_LIMIT = {204, 400, 404, 405, 406, 408, 413, 414, 415, 431, 501}


def test_every_reason_has_one_row_and_one_label() -> None:
    assert set(OUTCOMES) == set(Reason)
    assert len({ending.label for ending in OUTCOMES.values()}) == len(Reason)


@pytest.mark.parametrize("reason", Reason, ids=lambda reason: reason.name.lower())
def test_a_label_is_the_reasons_name(reason: Reason) -> None:
    assert OUTCOMES[reason].label == reason.name.lower()


@pytest.mark.parametrize("ending", OUTCOMES.values(), ids=lambda ending: ending.label)
def test_a_row_is_a_reply_or_a_refusal(ending: OutcomeRow) -> None:
    if ending.status == 200:
        assert not ending.counts
        assert not ending.keep_seconds
        assert not ending.is_refusal
    else:
        assert ending.is_refusal


@pytest.mark.parametrize("ending", OUTCOMES.values(), ids=lambda ending: ending.label)
def test_a_refusal_without_a_status_is_an_rcode_or_a_close(ending: OutcomeRow) -> None:
    if ending.is_refusal:
        assert ending.closes is (ending.rcode is None)
        assert ending.rcode is not Rcode.NOERROR
        assert ending.rcode is not None or not ending.errors
    else:
        assert not ending.closes


@pytest.mark.parametrize("ending", OUTCOMES.values(), ids=lambda ending: ending.label)
def test_what_is_no_message_that_can_be_answered_closes(ending: OutcomeRow) -> None:
    assert ending.closes is (ending.is_refusal and (ending.counts or ending.label == "unreadable"))


@pytest.mark.parametrize("reason", Reason, ids=lambda reason: reason.name.lower())
def test_what_is_refused_before_the_clients_limit_counts_against_it(reason: Reason) -> None:
    ending = OUTCOMES[reason]
    counts = ending.status in JUDGED_BEFORE_THE_LIMIT and reason is not Reason.UNREADABLE
    assert ending.counts is counts


@pytest.mark.parametrize(
    ("reason", "status", "rcode", "errors"),
    [
        (Reason.WRONG_PATH, 404, None, ()),
        (Reason.UNKNOWN_TOKEN, 404, None, ()),
        (Reason.PREFLIGHT, 204, None, ()),
        (Reason.METHOD_NOT_ALLOWED, 405, None, ()),
        (Reason.METHOD_UNKNOWN, 501, None, ()),
        (Reason.TRANSFER_CODING, 501, None, ()),
        (Reason.TARGET_TOO_LONG, 414, None, ()),
        (Reason.HEADERS_TOO_LARGE, 431, None, ()),
        (Reason.BODY_TOO_LARGE, 413, None, ()),
        (Reason.MEDIA_TYPE, 415, None, ()),
        (Reason.NOT_ACCEPTABLE, 406, None, ()),
        (Reason.DNS_PARAMETER, 400, None, ()),
        (Reason.BASE64, 400, None, ()),
        (Reason.UNREADABLE, 400, None, ()),
        (Reason.FORMAT_ERROR, 200, Rcode.FORMERR, ()),
        (Reason.NOT_IMPLEMENTED, 200, Rcode.NOTIMP, ()),
        (Reason.BAD_VERSION, 200, Rcode.BADVERS, ()),
        (Reason.CLASS_REFUSED, 200, Rcode.REFUSED, (21,)),
        (Reason.TYPE_REFUSED, 200, Rcode.REFUSED, (21,)),
        (Reason.BLOCKED, 200, Rcode.REFUSED, (15,)),
        (Reason.CENSORED, 200, Rcode.REFUSED, (16,)),
        (Reason.HARMFUL, 200, Rcode.REFUSED, (15,)),
        (Reason.FILTERED, 200, Rcode.REFUSED, (17,)),
        (Reason.PROHIBITED, 200, Rcode.REFUSED, (18,)),
        (Reason.MEMBERS_ONLY, 403, Rcode.REFUSED, (18,)),
        (Reason.LIST_STUB, 403, Rcode.REFUSED, (18,)),
        (Reason.CLIENT_LIMIT, 429, Rcode.REFUSED, (18,)),
        (Reason.SERVICE_LIMIT, 503, Rcode.SERVFAIL, (14,)),
        (Reason.MISS_LIMIT, 200, Rcode.REFUSED, (18,)),
        (Reason.DOMAIN_LIMIT, 200, Rcode.REFUSED, (18,)),
        (Reason.BUDGET_SPENT, 200, Rcode.SERVFAIL, (14,)),
        (Reason.UPSTREAM_TIMEOUT, 200, Rcode.SERVFAIL, (22,)),
        (Reason.UPSTREAM_REFUSED, 200, Rcode.SERVFAIL, ()),
        (Reason.UPSTREAM_UNREACHABLE, 200, Rcode.SERVFAIL, (23,)),
        (Reason.BUG, 500, Rcode.SERVFAIL, ()),
    ],
    ids=lambda value: value.name.lower() if isinstance(value, Reason) else "",
)
def test_a_situation_has_the_answer_of_the_design(
    reason: Reason, status: int, rcode: Rcode | None, errors: tuple[int, ...]
) -> None:
    ending = OUTCOMES[reason]
    assert (ending.status, ending.rcode, ending.errors) == (status, rcode, errors)


@pytest.mark.parametrize("fault", Fault, ids=str)
def test_a_fault_is_answered_by_dns_where_there_is_a_header_to_answer(fault: Fault) -> None:
    reason = reason_of_fault(fault)
    if fault in UNREADABLE:
        assert reason is Reason.UNREADABLE
    elif fault is Fault.OPCODE:
        assert reason is Reason.NOT_IMPLEMENTED
    else:
        assert reason is Reason.FORMAT_ERROR


@pytest.mark.parametrize(
    ("reason", "told"),
    [
        (Reason.MEMBERS_ONLY, "403 over DoH, REFUSED over DoT"),
        (Reason.SERVICE_LIMIT, "503 over DoH, SERVFAIL over DoT"),
        (Reason.UNKNOWN_TOKEN, "404 over DoH, the end of the connection over DoT"),
    ],
)
def test_a_refusal_is_told_for_both_ways_to_ask(reason: Reason, told: str) -> None:
    assert told_as(reason) == told
