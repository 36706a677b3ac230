"""Our half of DNS cookies: what is sent, what is believed, and when we do without (RFC 7873, RFC 9018)."""

from itertools import count

import pytest

from dohproxy.upstream.spoofing.cookies import RENEWAL_SECONDS, Cookies
from dohproxy.upstream.spoofing.echo_support import PAUSE_SECONDS, EchoState

HERE, ELSEWHERE = "192.0.2.1", "2001:db8::1"
SERVER = b"server cookie 16"


def _cookies() -> Cookies:
    """Cookies whose client part is 00000001, 00000002 and so on."""
    numbers = count(1)
    return Cookies(lambda size: b"%0*d" % (size, next(numbers)))


def _known() -> tuple[Cookies, bytes]:
    """An upstream that is known to send cookies, and the option that it is sent."""
    cookies = _cookies()
    for _ in range(3):
        sent = cookies.option(HERE, 0.0)
        cookies.learn(sent, sent[:8] + SERVER, 0.0)
    assert cookies.echo_support.state(0.0) is EchoState.ESTABLISHED
    return cookies, cookies.option(HERE, 0.0)


class TestSending:
    def test_at_first_there_is_only_our_own(self) -> None:
        assert _cookies().option(HERE, 0.0) == b"00000001"

    def test_ours_stays_the_same_from_query_to_query(self) -> None:
        cookies = _cookies()
        assert cookies.option(HERE, 0.0) == cookies.option(HERE, 100.0)

    def test_the_servers_is_learnt_from_a_reply_and_sent_back(self) -> None:
        cookies = _cookies()
        sent = cookies.option(HERE, 0.0)
        cookies.learn(sent, sent + SERVER, 0.0)
        assert cookies.option(HERE, 0.0) == b"00000001" + SERVER

    def test_a_newer_one_takes_its_place(self) -> None:
        cookies, sent = _known()
        cookies.learn(sent, sent[:8] + b"a newer one", 0.0)
        assert cookies.option(HERE, 0.0) == b"00000001a newer one"

    @pytest.mark.parametrize(
        ("address", "now"),
        [pytest.param(ELSEWHERE, 1.0, id="another address"), pytest.param(HERE, RENEWAL_SECONDS, id="a day later")],
    )
    def test_both_are_made_anew(self, address: str, now: float) -> None:
        cookies, _ = _known()
        assert cookies.option(address, now) == b"00000002"
        assert cookies.echo_support.state(now) is EchoState.ESTABLISHED

    def test_a_servers_cookie_for_our_former_one_is_not_sent_with_the_new_one(self) -> None:
        cookies, former = _known()
        cookies.option(ELSEWHERE, 1.0)
        assert cookies.may_be_reply(former, former, 1.0)
        cookies.learn(former, former, 1.0)
        assert cookies.option(ELSEWHERE, 1.0) == b"00000002"


class TestBelieving:
    @pytest.mark.parametrize(
        ("received", "before", "after"),
        [
            pytest.param(b"00000001" + SERVER, True, True, id="ours and the server's"),
            pytest.param(b"00000001" + bytes(8), True, True, id="the shortest there may be"),
            pytest.param(b"00000001" + bytes(32), True, True, id="the longest"),
            pytest.param(b"00000001", True, True, id="ours alone"),
            pytest.param(None, True, False, id="none"),
            pytest.param(b"0000000x" + SERVER, False, False, id="another than ours"),
            pytest.param(b"00000001" + bytes(7), False, False, id="one too short"),
            pytest.param(b"00000001" + bytes(33), False, False, id="one too long"),
            pytest.param(b"0000000", False, False, id="half of ours"),
            pytest.param(b"", False, False, id="an empty one"),
        ],
    )
    def test_what_may_be_a_reply_before_and_after_cookies_are_known(
        self, received: bytes | None, *, before: bool, after: bool
    ) -> None:
        unknown = _cookies()
        assert unknown.may_be_reply(unknown.option(HERE, 0.0), received, 0.0) is before
        known, sent = _known()
        assert known.may_be_reply(sent, received, 0.0) is after

    @pytest.mark.parametrize("received", [None, b"anything", b"00000001" + SERVER])
    def test_to_a_query_without_cookie_any_reply_may_be_one_and_teaches_nothing(self, received: bytes | None) -> None:
        cookies, _ = _known()
        assert cookies.may_be_reply(b"", received, 0.0)
        cookies.learn(b"", received, 0.0)
        assert cookies.echo_support.state(0.0) is EchoState.ESTABLISHED


class TestDoingWithout:
    def test_an_upstream_without_cookies_is_offered_ours_and_nothing_is_asked_of_it(self) -> None:
        cookies = _cookies()
        for _ in range(100):
            assert cookies.option(HERE, 0.0) == b"00000001"
            assert cookies.may_be_reply(b"00000001", None, 0.0)
            cookies.learn(b"00000001", None, 0.0)

    def test_one_that_echoes_ours_blindly_is_not_held_to_it(self) -> None:
        cookies = _cookies()
        for _ in range(10):
            sent = cookies.option(HERE, 0.0)
            cookies.learn(sent, sent, 0.0)
        assert cookies.echo_support.state(0.0) is EchoState.UNKNOWN

    def test_one_that_stops_is_asked_without_for_an_hour(self) -> None:
        cookies, _ = _known()
        for number in range(4):
            cookies.echo_support.missed(b"\x01%d\x00" % number, 0.0)
        assert cookies.option(HERE, 1.0) == b""
        assert cookies.option(HERE, PAUSE_SECONDS) == b"00000001" + SERVER
