"""One wait after the other, without a network: what is taken for the reply, and what the end of a wait means."""

from collections.abc import Callable

import pytest

from dohproxy.upstream.results import SendStatus, Unproven
from dohproxy.upstream.spoofing.defences import Defences, Wait
from dohproxy.upstream.spoofing.echo_support import EchoState
from dohproxy.wire.answer import Answer
from dohproxy.wire.numbers import Rcode
from dohproxy.wire.query import Query, parse_query
from tests.fakes.upstream import unreadable
from tests.wire import messages as m

HERE = "192.0.2.1"
SERVER = b"server cookie 16"
OURS = b"\xff" * 8
"""Our cookie, as `_defences` draws it."""

Packet = Callable[[bytes], bytes]
"""What somebody sends who sees, or guesses at, the query given."""


def _query(name: str = "www.example.net") -> Query:
    return parse_query(m.query(m.question(m.name(name))))


def _begin(defences: Defences, name: str = "www.example.net", now: float = 0.0) -> Wait:
    return defences.begin(_query(name), HERE, now)


def _defences() -> Defences:
    """Every letter is drawn upper case, every ID is 0xFFFF, every cookie all ones."""
    return Defences(lambda size: b"\xff" * size)


def _reply(
    sent: bytes,
    *,
    case: Callable[[bytes], bytes] = bytes,
    cookie: bytes | None = None,
    flags: int = m.QR,
    rcode: int = 0,
) -> bytes:
    """The reply to the query `sent`, its name as `case` makes it; without cookie and rcode it has no OPT."""
    end = sent.index(b"\x00", 12) + 1
    question = case(sent[12:end]) + sent[end : end + 4]
    options = b"" if cookie is None else m.option(m.COOKIE, cookie)
    additional = [] if cookie is None and not rcode else [m.opt(options, rcode=rcode)]
    return m.message(flags | rcode & 15, [question], [m.record()], [], additional, identifier=0xFFFF)


def _header_alone(rcode: int, *, flags: int = 0x8100, cookie: bytes | None = None) -> Packet:
    """A reply without a question, as by Unbound to whom it does not serve; with a cookie, if given."""
    additional = [] if cookie is None else [m.opt(m.option(m.COOKIE, cookie))]
    return lambda _: m.message(flags | rcode, [], [], [], additional, identifier=0xFFFF)


def _honest(sent: bytes) -> bytes:
    return _reply(sent, cookie=OURS + SERVER)


def _lower_case(sent: bytes) -> bytes:
    return _reply(sent, case=bytes.lower, cookie=OURS + SERVER)


def _no_cookie(sent: bytes) -> bytes:
    return _reply(sent)


def _known() -> Defences:
    """The defences against an upstream that is known to preserve case and to send cookies."""
    defences = _defences()
    for _ in range(3):
        wait = _begin(defences)
        assert wait.take(_honest(wait.wire), 0.0) is not None
    statistics = defences.statistics(0.0)
    assert (statistics.checks_case, statistics.checks_cookies) == (True, True)
    return defences


def test_what_is_sent_has_the_drawn_id_case_and_cookie() -> None:
    wait = _begin(_defences())
    cookie = m.opt(m.option(m.COOKIE, OURS))
    asked = m.question(m.name("WWW.EXAMPLE.NET"))
    assert wait.wire == m.query(asked, cookie, flags=m.RD | m.AD, identifier=0xFFFF)


def test_the_servers_cookie_goes_back_with_the_next_query() -> None:
    wait = _begin(_known())
    assert wait.wire.endswith(m.option(m.COOKIE, OURS + SERVER))


WRONG: dict[str, tuple[Packet, tuple[int, int]]] = {
    "another case": (_lower_case, (1, 0)),
    "another cookie": (lambda sent: _reply(sent, cookie=b"\xfe" * 24), (0, 1)),
    "no cookie": (_no_cookie, (0, 1)),
    "no cookie, and cut": (lambda sent: _reply(sent, flags=m.QR | m.TC), (0, 1)),
    "neither": (lambda sent: _reply(sent, case=bytes.lower), (1, 0)),
}


@pytest.mark.parametrize(("packet", "counted"), WRONG.values(), ids=WRONG)
def test_what_lacks_a_proof_is_counted_and_waited_past(packet: Packet, counted: tuple[int, int]) -> None:
    defences = _known()
    wait = _begin(defences)
    assert wait.take(packet(wait.wire), 0.0) is None
    assert (defences.wrong_case, defences.wrong_cookie, defences.ignored_packets) == (*counted, 1)
    assert wait.take(_honest(wait.wire), 0.0) is not None
    assert defences.ignored_packets == 1


@pytest.mark.parametrize(("packet", "_"), WRONG.values(), ids=WRONG)
def test_a_wait_that_brought_only_such_is_not_called_silence(packet: Packet, _: object) -> None:
    wait = _begin(_known())
    wait.take(packet(wait.wire), 0.0)
    assert wait.result(1.5) is SendStatus.UNPROVEN


def _unreadable(sent: bytes) -> bytes:
    return unreadable(_honest(sent))


@pytest.mark.parametrize(
    ("packets", "result"),
    [
        pytest.param([], SendStatus.TIMEOUT, id="nothing"),
        pytest.param([lambda _: b"noise", lambda sent: sent], SendStatus.TIMEOUT, id="nothing that matches"),
        pytest.param([_unreadable], SendStatus.UNUSABLE, id="what cannot be read"),
        pytest.param([_unreadable, _lower_case], SendStatus.UNPROVEN, id="that, and what a forger could have sent"),
    ],
)
def test_the_end_of_a_wait_means(packets: list[Packet], result: SendStatus) -> None:
    wait = _begin(_known())
    for packet in packets:
        assert wait.take(packet(wait.wire), 0.0) is None
    assert wait.result(1.5) is result


def test_a_packet_without_proof_teaches_nothing() -> None:
    defences = _defences()
    wait = _begin(defences)
    # Another case would end the varying, but for the cookie nobody but the upstream could know.
    assert wait.take(_reply(wait.wire, case=bytes.lower, cookie=b"\xfe" * 24), 0.0) is None
    assert defences.casing.echo_support.state(0.0) is EchoState.UNKNOWN


def test_an_upstream_that_changes_case_is_no_longer_asked_in_ours() -> None:
    defences = _defences()
    wait = _begin(defences)
    assert wait.take(_reply(wait.wire, case=bytes.lower), 0.0) is not None
    assert b"\x03www" in _begin(defences).wire


def _fail(defences: Defences, names: list[str], packet: Packet) -> None:
    for name in names:
        wait = _begin(defences, name)
        wait.take(packet(wait.wire), 0.0)
        assert wait.result(1.5) is SendStatus.UNPROVEN


@pytest.mark.parametrize(
    ("packet", "checks"),
    [pytest.param(_lower_case, (False, True), id="case"), pytest.param(_no_cookie, (True, False), id="cookies")],
)
def test_an_upstream_that_has_changed_its_ways_is_believed_after_four_questions(
    packet: Packet, checks: tuple[bool, bool]
) -> None:
    defences = _known()
    _fail(defences, ["a.example", "b.example", "c.example"], packet)
    assert defences.statistics(1.5).checks_case
    assert defences.statistics(1.5).checks_cookies
    _fail(defences, ["d.example"], packet)
    statistics = defences.statistics(1.5)
    assert (statistics.checks_case, statistics.checks_cookies) == checks
    wait = _begin(defences, "e.example", 1.5)
    assert wait.take(packet(wait.wire), 1.6) is not None


def test_one_name_alone_never_changes_what_is_believed() -> None:
    defences = _known()
    _fail(defences, ["a.example"] * 20, _lower_case)
    assert defences.statistics(1.5).checks_case


def test_a_bad_cookie_brings_the_one_to_try_again_with() -> None:
    defences = _known()
    wait = _begin(defences)
    answer = wait.take(_reply(wait.wire, cookie=OURS + b"another 16 bytes", rcode=23), 0.0)
    assert isinstance(answer, Answer)
    assert answer.rcode == 23
    assert _begin(defences).wire.endswith(b"another 16 bytes")


def test_a_bad_cookie_from_a_stranger_is_ignored() -> None:
    wait = _begin(_known())
    assert wait.take(_reply(wait.wire, rcode=23), 0.0) is None


ERRORS = [Rcode.FORMERR, Rcode.SERVFAIL, Rcode.NOTIMP, Rcode.REFUSED]


class TestErrorsWithoutAQuestion:
    @pytest.mark.parametrize("rcode", ERRORS, ids=lambda rcode: rcode.name)
    def test_from_an_upstream_of_whom_nothing_more_is_known_is_its_rcode(self, rcode: Rcode) -> None:
        defences = _defences()
        wait = _begin(defences)
        answer = wait.take(_header_alone(rcode)(wait.wire), 0.0)
        assert isinstance(answer, Answer)
        assert (answer.rcode, answer.records) == (rcode, b"")
        assert defences.ignored_packets == 0
        assert defences.casing.echo_support.state(0.0) is EchoState.UNKNOWN

    @pytest.mark.parametrize("rcode", ERRORS, ids=lambda rcode: rcode.name)
    def test_from_one_that_shows_more_is_waited_past_and_then_a_suspicion(self, rcode: Rcode) -> None:
        defences = _known()
        wait = _begin(defences)
        assert wait.take(_header_alone(rcode)(wait.wire), 0.0) is None
        assert defences.ignored_packets == 1
        outcome = wait.result(1.5)
        assert isinstance(outcome, Unproven)
        assert outcome.answer.rcode == rcode

    def test_does_not_keep_the_upstreams_own_reply_away(self) -> None:
        wait = _begin(_known())
        wait.take(_header_alone(Rcode.REFUSED)(wait.wire), 0.0)
        answer = wait.take(_honest(wait.wire), 0.1)
        assert isinstance(answer, Answer)
        assert answer.rcode == Rcode.NOERROR

    def test_is_believed_with_our_cookie(self) -> None:
        wait = _begin(_known())
        answer = wait.take(_header_alone(Rcode.REFUSED, cookie=OURS + SERVER)(wait.wire), 0.0)
        assert isinstance(answer, Answer)
        assert answer.rcode == Rcode.REFUSED

    def test_is_not_believed_with_another_cookie_by_anybody(self) -> None:
        wait = _begin(_defences())
        assert wait.take(_header_alone(Rcode.REFUSED, cookie=b"\xfe" * 24)(wait.wire), 0.0) is None

    def test_about_a_name_without_letters_has_no_case_to_show(self) -> None:
        defences = _defences()
        for _ in range(3):
            wait = _begin(defences)
            wait.take(_no_cookie(wait.wire), 0.0)
        assert defences.statistics(0.0).checks_case
        wait = _begin(defences, "1.2")
        assert wait.take(_header_alone(Rcode.REFUSED)(wait.wire), 0.0) is not None

    def test_that_refuses_leaves_what_is_expected_of_the_upstream(self) -> None:
        defences = _known()
        for number in range(20):
            wait = _begin(defences, f"name{number}.example")
            wait.take(_header_alone(Rcode.REFUSED)(wait.wire), 0.0)
            assert isinstance(wait.result(1.5), Unproven)
        statistics = defences.statistics(1.5)
        assert (statistics.checks_case, statistics.checks_cookies) == (True, True)

    def test_that_complains_of_our_message_for_four_names_ends_what_it_may_be_about(self) -> None:
        defences = _known()
        for number in range(4):
            assert defences.statistics(1.5).checks_cookies
            wait = _begin(defences, f"name{number}.example")
            wait.take(_header_alone(Rcode.FORMERR)(wait.wire), 0.0)
            wait.result(1.5)
        statistics = defences.statistics(1.5)
        assert (statistics.checks_case, statistics.checks_cookies) == (False, False)

    def test_that_complains_once_does_not_end_what_was_not_yet_known(self) -> None:
        defences = _defences()
        for _ in range(3):
            wait = _begin(defences)
            wait.take(_no_cookie(wait.wire), 0.0)
        wait = _begin(defences)
        wait.take(_header_alone(Rcode.FORMERR)(wait.wire), 0.0)
        wait.result(1.5)
        assert defences.cookies.echo_support.state(1.5) is EchoState.UNKNOWN

    def test_with_another_id_is_not_even_a_suspicion(self) -> None:
        wait = _begin(_known())
        assert wait.take(b"\x00\x01\x81\x05" + bytes(8), 0.0) is None
        assert wait.result(1.5) is SendStatus.TIMEOUT

    @pytest.mark.parametrize("rcode", [Rcode.NOERROR, Rcode.NXDOMAIN], ids=lambda rcode: rcode.name)
    def test_must_be_an_error_and_not_a_statement_about_a_name(self, rcode: Rcode) -> None:
        wait = _begin(_defences())
        assert wait.take(_header_alone(rcode)(wait.wire), 0.0) is None
        assert wait.result(1.5) is SendStatus.UNUSABLE

    def test_may_say_that_the_question_is_to_be_asked_over_tcp(self) -> None:
        wait = _begin(_defences())
        answer = wait.take(_header_alone(Rcode.NOERROR, flags=0x8300)(wait.wire), 0.0)
        assert isinstance(answer, Answer)
        assert answer.truncated
        wait = _begin(_known())
        assert wait.take(_header_alone(Rcode.NOERROR, flags=0x8300)(wait.wire), 0.0) is None
        assert wait.result(1.5) is SendStatus.UNPROVEN


class TestRepliesWithoutEnd:
    @pytest.mark.parametrize(
        ("packet", "most", "result"),
        [
            pytest.param(
                lambda sent: _unreadable(sent) + bytes(57_000), 1, SendStatus.UNUSABLE, id="large and unreadable"
            ),
            pytest.param(_unreadable, 128, SendStatus.UNUSABLE, id="small and unreadable"),
            pytest.param(_no_cookie, 128, SendStatus.UNPROVEN, id="without our cookie"),
            pytest.param(_header_alone(Rcode.REFUSED), 128, SendStatus.UNPROVEN, id="without a question"),
        ],
    )
    def test_are_read_up_to_a_limit_and_end_the_wait(self, packet: Packet, most: int, result: SendStatus) -> None:
        defences = _known()
        wait = _begin(defences)
        taken = [wait.take(packet(wait.wire), 0.0) for _ in range(most + 1)]
        ended = [outcome for outcome in taken if outcome is not None]
        assert ended[0] is result
        assert defences.statistics(0.0).checks_cookies

    def test_with_nothing_to_read_do_not(self) -> None:
        wait = _begin(_known())
        for _ in range(10_000):
            assert wait.take(b"\xff" * 1_000, 0.0) is None
            assert wait.take(_lower_case(wait.wire), 0.0) is None
        answer = wait.take(_honest(wait.wire), 0.0)
        assert isinstance(answer, Answer)
