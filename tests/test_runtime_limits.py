"""Limits by hand under the whole service: they hold at once and over reloads, and nothing is lost by it."""

from pathlib import Path

import pytest

from dohproxy.builders import clock
from dohproxy.config import ConfigError
from dohproxy.control.hand_limits import HandLimit
from tests.fakes.upstream import FakeUpstream
from tests.frontends.client import get
from tests.test_runtime_reload import NAME, UNLIMITED, serving, text_for

SMALL = "[limits]\nrequests_per_second = 0.1\nrequests_burst = 20\n"
BURST = "limits.requests_burst"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Where the configuration lies."""
    return tmp_path / "dohproxy.toml"


async def test_it_holds_on_an_open_connection_from_the_next_request_on_and_ends(file: Path) -> None:
    async with serving(file, FakeUpstream(), SMALL) as service:
        client, limits = await service.connect(), service.runtime.hand_limits
        assert (await client.ask(get(NAME))).status == 200
        await limits.hold(HandLimit(BURST, 2, clock() + 1_000))
        assert [(await client.ask(get(NAME))).status for _ in range(3)][-1] == 429
        await limits.hold(HandLimit(BURST, 2, clock()))
        await limits.poll()
        assert (await client.ask(get(NAME))).status == 200
        assert service.runtime.config.limits.requests_burst == 20


async def test_what_is_used_up_stays_used_up(file: Path) -> None:
    async with serving(file, FakeUpstream(), SMALL) as service:
        client = await service.connect()
        assert [(await client.ask(get(NAME))).status for _ in range(21)][-1] == 429
        await service.runtime.hand_limits.hold(HandLimit("limits.requests_per_second", 0.2, clock() + 60))
        assert (await client.ask(get(NAME))).status == 429


async def test_a_reload_keeps_it_and_takes_the_rest_of_the_file(file: Path) -> None:
    upstream = FakeUpstream()
    async with serving(file, upstream, SMALL) as service:
        limits = service.runtime.hand_limits
        await limits.hold(HandLimit(BURST, 5, clock() + 1_000))
        changed = await service.adopt(
            text_for(upstream, SMALL.replace("= 20", "= 30") + "misses_burst = 7\nwaiting_misses = 100\n")
        )
        assert set(changed) == {"limits.misses_burst", "limits.waiting_misses"}
        assert service.runtime.config.limits.requests_burst == 5
        await limits.release(BURST)
        assert service.runtime.config.limits.requests_burst == 30


async def test_a_file_that_it_does_not_fit_is_refused_and_nothing_changes(file: Path) -> None:
    upstream = FakeUpstream()
    async with serving(file, upstream, UNLIMITED) as service:
        await service.runtime.hand_limits.hold(HandLimit("connections.max_per_client", 200, clock() + 1_000))
        with pytest.raises(ConfigError, match="is held by hand at 200"):
            await service.adopt(text_for(upstream, UNLIMITED + "[connections]\nmax_per_network = 100\n"))
        assert service.runtime.config.connections.max_per_network == 256


async def test_a_file_that_has_become_bad_is_in_nobodys_way(file: Path, tmp_path: Path) -> None:
    listed = tmp_path / "names.txt"
    listed.write_text("ads.example.net\n")
    blocklist = f'[[blocklist]]\nname = "ads"\nfile = "{listed}"\n'
    async with serving(file, FakeUpstream(), blocklist) as service:
        listed.unlink()
        with pytest.raises(ConfigError):
            await service.runtime.reload()
        await service.runtime.hand_limits.hold(HandLimit(BURST, 5, clock() + 1_000))
        assert service.runtime.config.limits.requests_burst == 5
        assert [one.names for one in service.runtime.blocklists()] == [1]


async def test_a_budget_is_lowered_and_what_was_spent_of_it_stays_spent(file: Path) -> None:
    upstream = FakeUpstream()
    async with serving(file, upstream, UNLIMITED, keys="queries_per_second = 0.1\nburst = 40\n") as service:
        client = await service.connect()
        for number in range(8):
            await client.ask(get(f"n{number}.example.net"))
        await service.runtime.hand_limits.hold(HandLimit("upstream.first.burst", 20, clock() + 1_000))
        [after] = service.runtime.core.resolver.statistics(clock()).upstreams
        assert (after.burst, after.budget_left <= 13) == (20, True)
