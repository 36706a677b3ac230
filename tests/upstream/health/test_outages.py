"""Whose fault it is when nobody answers: the upstreams' or the way out."""

from collections.abc import Sequence

import pytest

from dohproxy.upstream.health.health import UpstreamHealth
from dohproxy.upstream.health.outages import is_path_gone
from dohproxy.upstream.health.signals import ConnectFailure, Signal
from dohproxy.upstream.results import SendStatus
from tests.fakes.guest import GOOD, REFUSED, Guest

NS0, NS1, NS0_IPV6 = "192.0.2.1", "198.51.100.1", "2001:db8::1"


def _well() -> UpstreamHealth:
    guest = Guest()
    guest.ask(GOOD)
    return guest.upstream


def _silent() -> UpstreamHealth:
    guest = Guest()
    guest.fall_silent()
    return guest.upstream


def _refusing_connections() -> UpstreamHealth:
    guest = Guest()
    guest.ask_many(SendStatus.UNREACHABLE, times=3)
    return guest.upstream


def _without_route() -> UpstreamHealth:
    guest = Guest()
    guest.ask_many(SendStatus.NO_ROUTE, times=3)
    return guest.upstream


def _banning() -> UpstreamHealth:
    guest = Guest()
    guest.ask_many(REFUSED, times=8)
    guest.probe(REFUSED)
    return guest.upstream


def _untrusted() -> UpstreamHealth:
    guest = Guest(over_stream=True)
    guest.ask_many(SendStatus.UNTRUSTED, times=3)
    refusal = ConnectFailure(Signal.CERTIFICATE, "certificate is not yet valid")
    guest.upstream.connections.failed(guest.now, nobody_listens=False, refusal=refusal)
    return guest.upstream


@pytest.mark.parametrize(
    ("upstreams", "is_gone"),
    [
        pytest.param([(NS0, _silent()), (NS1, _silent())], True, id="two that are silent"),
        pytest.param([(NS0, _silent()), (NS1, _refusing_connections())], True, id="two that are out of reach somehow"),
        pytest.param([(NS0, _silent()), (NS1, _well())], False, id="one of two"),
        pytest.param([(NS0, _silent())], False, id="the only one, which may be down itself"),
        pytest.param([(NS0, _without_route())], True, id="the only one, to which this machine has no way"),
        pytest.param([(NS0, _silent()), (NS0, _silent())], False, id="two ways to the only host"),
        pytest.param([(NS0, _without_route()), (NS0, _without_route())], True, id="two ways to a host without route"),
        pytest.param([(NS0, _silent()), (NS0, _well())], False, id="one of two ways to the only host"),
        pytest.param([(NS0, _silent()), (NS0, _without_route())], False, id="two ways of which one has a route"),
        pytest.param([(NS0, _without_route()), (NS0, _silent())], False, id="the same, the other way round"),
        pytest.param([(NS0, _silent()), (NS0_IPV6, _silent())], True, id="both families"),
        pytest.param([(NS0, _well()), (NS0_IPV6, _without_route())], False, id="no IPv6 here"),
        pytest.param([(NS0, _silent()), (NS1, _banning())], False, id="one that has told us to go away, so it spoke"),
        pytest.param([(NS0, _untrusted()), (NS1, _untrusted())], False, id="two whose certificates are refused"),
        pytest.param([(NS0, _silent()), (NS1, _silent()), ("127.0.0.1", _well())], True, id="one of our own is well"),
        pytest.param([(NS0, _silent()), (NS1, _silent()), ("::1", _silent())], True, id="ours is gone too"),
        pytest.param([("127.0.0.1", _silent()), ("::1", _silent())], False, id="only ours, which are on no way out"),
        pytest.param([("127.0.0.1", _without_route())], False, id="ours without a route"),
        pytest.param([], False, id="none at all"),
    ],
)
def test_the_way_out_is_gone_with(upstreams: Sequence[tuple[str, UpstreamHealth]], *, is_gone: bool) -> None:
    assert is_path_gone(upstreams) is is_gone


def test_two_addresses_of_one_resolver_may_be_gone_with_it() -> None:
    first, second = _silent(), _silent()
    second.budget = first.budget
    assert not is_path_gone([(NS0, first), (NS0_IPV6, second)])
    assert is_path_gone([(NS0, first), (NS0_IPV6, second), (NS1, _silent())])


def test_one_word_from_anybody_and_it_is_there_again() -> None:
    guest, other = Guest(), _silent()
    guest.fall_silent()
    upstreams = [(NS0, guest.upstream), (NS1, other)]
    assert is_path_gone(upstreams)
    guest.probe(GOOD, after=1.0)
    assert not is_path_gone(upstreams)
