"""What clients are told of an upstream's words: nothing that is not true, and nothing that does them harm."""

import pytest

from dohproxy.outcomes import Reason
from dohproxy.upstream.results import UpstreamFailure
from dohproxy.upstream.telling import KNOWN_TYPES, content_of_failure, told_of
from dohproxy.wire.answer import Answer, parse_answer
from dohproxy.wire.numbers import ExtendedError, Qtype, Rcode
from dohproxy.wire.query import parse_query
from tests.wire import messages as m

FORMERR, SERVFAIL, NOTIMP, REFUSED = Rcode.FORMERR, Rcode.SERVFAIL, Rcode.NOTIMP, Rcode.REFUSED
QUESTION = m.question(m.name("www.example.net"))
YOUNG = [Qtype.HTTPS, Qtype.SVCB, Qtype.CAA, Qtype.DS, 65_280]
"""Types that an old server does not know."""


def _says(rcode: int, *errors: int) -> Answer:
    options = b"".join(m.option(m.EXTENDED_ERROR, code.to_bytes(2)) for code in errors)
    additional = [m.opt(options, rcode=rcode)] if errors or rcode > 15 else []
    wire = m.message(m.QR | rcode & 15, [QUESTION], [], [], additional)
    return parse_answer(wire, parse_query(m.query(QUESTION)))


@pytest.mark.parametrize("qtype", YOUNG, ids=str)
@pytest.mark.parametrize(
    ("rcode", "told"),
    [(NOTIMP, NOTIMP), (FORMERR, NOTIMP), (REFUSED, REFUSED), (SERVFAIL, SERVFAIL)],
    ids=["NOTIMP", "FORMERR", "REFUSED", "SERVFAIL"],
)
def test_an_error_for_a_type_that_it_need_not_know_does_not_look_like_an_attack(
    rcode: Rcode, told: Rcode, qtype: int
) -> None:
    assert told_of(_says(rcode), qtype) == (told, ())


@pytest.mark.parametrize("qtype", sorted(KNOWN_TYPES), ids=lambda qtype: Qtype(qtype).name)
@pytest.mark.parametrize("rcode", [FORMERR, SERVFAIL, NOTIMP, REFUSED], ids=lambda rcode: rcode.name)
def test_for_a_type_that_everybody_knows_it_means_us_and_may_be_over_soon(rcode: Rcode, qtype: int) -> None:
    assert told_of(_says(rcode), qtype) == (SERVFAIL, ())


@pytest.mark.parametrize("qtype", [Qtype.A, Qtype.HTTPS], ids=lambda qtype: qtype.name)
@pytest.mark.parametrize(
    ("rcode", "errors"),
    [(SERVFAIL, (6,)), (REFUSED, (15,)), (NOTIMP, (21,)), (SERVFAIL, (22, 23)), (9, (21,))],
    ids=str,
)
def test_what_explains_itself_goes_through(rcode: int, errors: tuple[int, ...], qtype: int) -> None:
    assert told_of(_says(rcode, *errors), qtype) == (rcode, errors)


@pytest.mark.parametrize("code", [18, 20])
@pytest.mark.parametrize(("qtype", "told"), [(Qtype.A, SERVFAIL), (Qtype.HTTPS, REFUSED)], ids=["A", "HTTPS"])
def test_that_we_are_not_served_is_not_said_to_those_whom_we_serve(qtype: int, told: Rcode, code: int) -> None:
    assert told_of(_says(REFUSED, code), qtype) == (told, ())
    assert told_of(_says(REFUSED, code, 15), qtype) == (REFUSED, (15,))


@pytest.mark.parametrize("rcode", [7, 8, 9, 10, 15, Rcode.BADVERS, Rcode.BADCOOKIE], ids=str)
def test_what_is_between_us_and_the_upstream_stays_there(rcode: int) -> None:
    assert told_of(_says(rcode), Qtype.HTTPS) == (SERVFAIL, ())


def test_an_explained_complaint_about_our_opt_stays_there_too() -> None:
    assert told_of(_says(Rcode.BADVERS, 21), Qtype.A) == (SERVFAIL, ())


def test_a_name_that_a_dname_makes_too_long_is_an_answer() -> None:
    assert told_of(_says(Rcode.YXDOMAIN), Qtype.A) == (Rcode.YXDOMAIN, ())


def test_a_referral_is_a_failure() -> None:
    wire = m.answer(authority=(m.record(m.NS, m.ROOT),), asked=QUESTION)
    assert told_of(parse_answer(wire, parse_query(m.query(QUESTION))), Qtype.A) == (SERVFAIL, ())


def test_a_failure_that_nobody_has_put_into_words_is_told_as_the_table_says() -> None:
    content = content_of_failure(UpstreamFailure(Reason.UPSTREAM_UNREACHABLE), Qtype.A)
    assert (content.rcode, content.errors) == (SERVFAIL, (ExtendedError.NETWORK_ERROR,))


def test_one_that_an_upstream_has_put_into_words_is_told_so() -> None:
    content = content_of_failure(UpstreamFailure(Reason.UPSTREAM_REFUSED, _says(REFUSED, 15)), Qtype.A)
    assert (content.rcode, content.errors) == (REFUSED, (15,))
