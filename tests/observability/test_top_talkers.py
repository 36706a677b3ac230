"""Who asks most: counted while somebody looks, by network and by domain, and forgotten when the last one has gone."""

from contextlib import ExitStack

import pytest

from dohproxy.observability.top_talkers import (
    MOST_COUNTERS,
    MOST_VIEWERS,
    NO_ADDRESS,
    NOT_READ,
    NOWHERE,
    By,
    Note,
    TooManyViewers,
    TopTalkers,
    Watch,
    network_of,
)
from dohproxy.outcomes import Client, Frontend, Reason
from dohproxy.parsed_request import ParsedRequest
from dohproxy.policy.domains import domains_of
from dohproxy.policy.space_saving import Counted
from dohproxy.wire.name import from_text
from dohproxy.wire.query import parse_query
from tests.fakes.walk import SUFFIXES, ask_for, client_of

NOW = 1_000.0


class Service:
    """Where requests end."""

    def __init__(self) -> None:
        self.watch: Watch | None = None
        self.talkers = TopTalkers(self, lambda qname: domains_of(qname, SUFFIXES)[0])

    def be_watched(self, watch: Watch | None) -> None:
        """Tell somebody else, or nobody."""
        self.watch = watch

    def end(self, address: str, name: str | None = "www.example.com", reason: Reason = Reason.CACHED) -> None:
        """Have a request end."""
        parsed = ParsedRequest(Frontend.HTTP2, 1)
        if name is not None:
            parsed.query = parse_query(ask_for(name))
        if self.watch is not None:
            self.watch(client(address), parsed, reason)


def client(address: str) -> Client:
    packed = bytes(map(int, address.split("."))) if "." in address else bytes.fromhex(address.ljust(32, "0"))
    return client_of(packed if address else b"", (1, 2), (3, 4))


def note(counted: Counted) -> Note:
    found = counted.note
    assert isinstance(found, Note)
    return found


def test_while_nobody_looks_nobody_is_told_anything() -> None:
    service = Service()
    watched = [service.watch]
    with service.talkers.looking(By.NETWORK, NOW):
        watched.append(service.watch)
    watched.append(service.watch)
    assert [watch is not None for watch in watched] == [False, True, False]
    assert service.talkers.viewers == 0


def test_networks_are_counted_with_how_their_requests_end() -> None:
    service = Service()
    with service.talkers.looking(By.NETWORK, NOW) as look:
        for last in range(3):
            service.end(f"192.0.2.{last}")
        service.end("192.0.2.9", None, Reason.CLIENT_LIMIT)
        service.end("20010db8000000010000")
        service.end("20010db8000000ff0000")
        seen = look(10)
    assert (seen.total, seen.since) == (6, NOW)
    first, second = seen.top
    assert (network_of(first.key), first.count, first.error) == ((b"\xc0\x00\x02\x00", 24), 4, 0)
    assert note(first).reasons == {Reason.CACHED: 3, Reason.CLIENT_LIMIT: 1}
    assert (network_of(second.key), second.count) == ((bytes.fromhex("20010db8") + bytes(12), 56), 2)


def test_the_host_that_does_most_of_it_is_known_and_none_where_none_does() -> None:
    service = Service()
    with service.talkers.looking(By.NETWORK, NOW) as look:
        for number in range(30):
            service.end("192.0.2.7")
            service.end(f"198.51.100.{number}")
            if number % 3 == 0:
                service.end(f"192.0.2.{number + 100}")
        heavy, even = look(2).top
    assert (network_of(note(heavy).host), 2 * note(heavy).seen > heavy.count) == ((b"\xc0\x00\x02\x07", 32), True)
    assert 2 * note(even).seen < even.count


def test_one_who_makes_addresses_of_one_is_counted_as_its_holder() -> None:
    service = Service()
    with service.talkers.looking(By.NETWORK, NOW) as look:
        service.end("2002c0000207")
        (only,) = look(1).top
    assert network_of(only.key) == (b"\xc0\x00\x02\x00", 24)


def test_clients_without_an_address_are_counted_together() -> None:
    service = Service()
    with service.talkers.looking(By.NETWORK, NOW) as look:
        service.end("")
        service.end("")
        assert [(one.key, one.count) for one in look(1).top] == [(NO_ADDRESS, 2)]


def test_domains_are_counted_as_their_limits_are() -> None:
    service = Service()
    with service.talkers.looking(By.DOMAIN, NOW) as look:
        for name in ("a.example.co.uk", "b.example.co.uk", "x.example-cdn.net", "a.nowhere", "b.nowhere", "c.nowhere"):
            service.end("192.0.2.1", name)
        for _ in range(4):
            service.end("192.0.2.1", None, Reason.CLIENT_LIMIT)
        top = {one.key: one.count for one in look(10).top}
    assert top == {
        NOT_READ: 4,
        NOWHERE: 3,
        from_text("example.co.uk"): 2,
        from_text("x.example-cdn.net"): 1,
    }


def test_what_was_turned_away_unread_has_no_request() -> None:
    service = Service()
    with service.talkers.looking(By.DOMAIN, NOW) as look:
        assert service.watch is not None
        service.watch(client("192.0.2.1"), None, Reason.BANNED)
        assert [one.key for one in look(1).top] == [NOT_READ]


def test_all_who_look_share_what_was_counted_until_the_last_has_gone() -> None:
    service = Service()
    with service.talkers.looking(By.NETWORK, NOW):
        service.end("192.0.2.1")
        with service.talkers.looking(By.NETWORK, NOW + 5) as look:
            service.end("192.0.2.1")
            assert (look(1).total, look(1).since, service.talkers.viewers) == (2, NOW, 2)
    with service.talkers.looking(By.NETWORK, NOW + 9) as look:
        assert (look(1).total, look(1).since) == (0, NOW + 9)


def test_what_nobody_looks_at_is_not_counted() -> None:
    service = Service()
    with service.talkers.looking(By.NETWORK, NOW):
        service.end("192.0.2.1")
        with service.talkers.looking(By.DOMAIN, NOW) as look:
            assert look(1).total == 0
            service.end("192.0.2.1")
            assert look(1).total == 1
    assert service.watch is None


def test_so_many_may_look_and_one_who_fails_has_gone_too() -> None:
    service = Service()
    with ExitStack() as stack:
        for number in range(MOST_VIEWERS):
            stack.enter_context(service.talkers.looking(tuple(By)[number % 2], NOW))
        with pytest.raises(TooManyViewers), service.talkers.looking(By.NETWORK, NOW):
            pass
        assert service.talkers.viewers == MOST_VIEWERS
    with pytest.raises(ZeroDivisionError), service.talkers.looking(By.NETWORK, NOW):
        raise ZeroDivisionError
    assert (service.talkers.viewers, service.watch) == (0, None)


def test_any_number_of_networks_takes_so_many_counters() -> None:
    service = Service()
    with service.talkers.looking(By.NETWORK, NOW) as look:
        for number in range(3 * MOST_COUNTERS):
            service.end(f"10.{number // 256}.{number % 256}.1")
            service.end("192.0.2.1")
        seen = look(10 * MOST_COUNTERS)
    assert len(seen.top) == MOST_COUNTERS
    assert (seen.top[0].key, seen.top[0].count, seen.top[0].error) == (b"\xc0\x00\x02", 3 * MOST_COUNTERS, 0)
