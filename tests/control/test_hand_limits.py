"""Limits by hand: that they hold over the file, end by themselves, and never raise what an upstream is asked."""

import math
from collections.abc import Callable
from pathlib import Path

import pytest
import structlog

from dohproxy.adoption import Changes, compare
from dohproxy.config import Config, ConfigError, Problem, read
from dohproxy.config.overlay import open_keys
from dohproxy.control.hand_limits import Agreed, HandLimit, HandLimits, seconds_left
from tests.fakes.clock import FakeClock

UPSTREAM = '[[upstream]]\nname = "ns0"\nurl = "udp://192.0.2.53"\n'
BURST = "limits.requests_burst"
BUDGET = "upstream.ns0.queries_per_second"


def file(text: str = "", upstream: str = UPSTREAM) -> Config:
    return read(upstream + text, directory=Path("/etc"))


class Held:
    """What a runtime does, without one."""

    def __init__(self, config: Config | None = None) -> None:
        self.config = config or file()
        self.clock = FakeClock(1_000.0)
        self.limits = HandLimits(self.change, self.clock)
        self.refusals = 0

    async def change(self, make: Callable[[Config], Config]) -> Changes:
        changes = compare(self.config, make(self.config))
        if self.refusals:
            self.refusals -= 1
            raise ConfigError((Problem("tls.certificate", "cannot be read."),))
        self.config = changes.config
        return changes

    def reload(self, config: Config) -> None:
        self.config = compare(self.config, self.limits.over(config)).config

    async def hold(self, path: str, value: float, seconds: float = math.inf, *, confirmed: bool = False) -> Changes:
        key = open_keys(file())[path]
        agreed = Agreed(key.value, key.addresses) if confirmed else None
        return await self.limits.hold(HandLimit(path, value, self.clock.now + seconds, agreed))


async def test_a_value_holds_until_its_end_and_then_the_files_at_once() -> None:
    held = Held()
    changes = await held.hold(BURST, 50, seconds=60)
    assert (changes.changed, held.config.limits.requests_burst) == ((BURST,), 50)
    held.clock.now += 59
    await held.limits.poll()
    assert held.config.limits.requests_burst == 50
    held.clock.now += 1
    await held.limits.poll()
    assert (held.config.limits.requests_burst, held.limits.current()) == (200, ())


async def test_without_an_end_it_does_not_end() -> None:
    held = Held()
    await held.hold(BURST, 50)
    held.clock.now += 1e9
    await held.limits.poll()
    assert held.config.limits.requests_burst == 50


async def test_two_keys_are_held_at_a_time_and_each_ends_by_itself() -> None:
    held = Held()
    await held.hold(BURST, 50, seconds=60)
    await held.hold("connections.max_total", 100, seconds=120)
    held.clock.now += 60
    await held.limits.poll()
    assert (held.config.limits.requests_burst, held.config.connections.max_total) == (200, 100)


async def test_the_last_word_about_a_key_counts() -> None:
    held = Held()
    await held.hold(BURST, 50, seconds=60)
    await held.hold(BURST, 40, seconds=600)
    held.clock.now += 60
    await held.limits.poll()
    assert (held.config.limits.requests_burst, len(held.limits.current())) == (40, 1)


async def test_what_is_taken_back_is_as_the_file_says() -> None:
    held = Held()
    await held.hold(BURST, 50)
    await held.limits.release(BURST)
    assert (held.config, held.limits.current()) == (file(), ())


async def test_what_is_refused_changes_nothing() -> None:
    held = Held()
    await held.hold(BURST, 50)
    with pytest.raises(ConfigError):
        await held.hold(BURST, 0)
    assert (held.config.limits.requests_burst, [one.value for one in held.limits.current()]) == (50, [50])


async def test_a_file_that_is_read_again_does_not_end_it_and_holds_afterwards() -> None:
    held = Held()
    await held.hold(BURST, 50, seconds=60)
    held.reload(file("[limits]\nrequests_burst = 500\nrequests_per_second = 30\n"))
    assert (held.config.limits.requests_burst, held.config.limits.requests_per_second) == (50, 30)
    held.clock.now += 60
    await held.limits.poll()
    assert held.config.limits.requests_burst == 500


async def test_a_file_that_does_not_fit_is_refused_with_what_to_take_back() -> None:
    held = Held(file("[names]\ndomain_misses_per_second = 9\n"))
    await held.hold("names.domain_failures_per_second", 5)
    with pytest.raises(ConfigError, match=r"to take that back: limit names\.domain_failures_per_second --reset"):
        held.limits.over(file("[names]\ndomain_misses_per_second = 2\n"))


async def test_of_what_is_left_that_alone_ends_which_does_not_fit_the_file_and_it_is_told() -> None:
    held = Held(file("[names]\ndomain_misses_per_second = 2\n"))
    await held.hold(BUDGET, 5)
    await held.hold("names.domain_misses_per_second", 9, seconds=60)
    await held.hold("names.domain_failures_per_second", 5)
    await held.hold(BURST, 50, seconds=600)
    held.clock.now += 60
    with structlog.testing.capture_logs() as log:
        await held.limits.poll()
    assert [one.path for one in held.limits.current()] == [BUDGET, BURST]
    assert (held.config.names.domain_misses_per_second, held.config.upstreams[0].queries_per_second) == (2, 5)
    assert [(line["log_level"], line["keys"]) for line in log] == [
        ("info", ["names.domain_misses_per_second"]),
        ("warning", ["names.domain_failures_per_second"]),
    ]


async def test_all_end_where_the_configuration_is_refused_for_something_else() -> None:
    held = Held()
    await held.hold(BUDGET, 5)
    await held.hold(BURST, 50, seconds=60)
    held.clock.now += 60
    held.refusals = 2
    await held.limits.poll()
    assert (held.limits.current(), held.config) == ((), file())


async def test_what_was_lowered_never_raises_what_an_upstream_is_asked() -> None:
    held = Held()
    await held.hold(BUDGET, 5)
    assert held.config.upstreams[0].queries_per_second == 5
    held.reload(file(upstream=UPSTREAM + "queries_per_second = 3\n"))
    assert held.config.upstreams[0].queries_per_second == 3


@pytest.mark.parametrize(
    ("upstream", "value"),
    [
        (UPSTREAM + "in_flight = 50\n", 50),
        (UPSTREAM + "queries_per_second = 3\n", 3),
        (UPSTREAM + "queries_per_second = 20\n", 20),
        (UPSTREAM.replace("192.0.2.53", "192.0.2.54"), 10),
    ],
    ids=["the same said of it", "less", "more", "another address"],
)
async def test_what_was_agreed_holds_upward_as_long_as_the_file_says_the_same(upstream: str, value: float) -> None:
    held = Held()
    await held.hold(BUDGET, 50, confirmed=True)
    assert held.config.upstreams[0].queries_per_second == 50
    held.reload(file(upstream=upstream))
    assert held.config.upstreams[0].queries_per_second == value


async def test_what_is_said_of_an_upstream_has_no_effect_while_the_file_has_none_of_its_name() -> None:
    held = Held()
    await held.hold(BUDGET, 5)
    held.reload(file(upstream=UPSTREAM.replace("ns0", "ns1")))
    assert held.config.upstreams[0].queries_per_second == 10
    held.reload(file())
    assert held.config.upstreams[0].queries_per_second == 5


def test_it_is_told_how_long_it_holds_still() -> None:
    assert seconds_left(HandLimit(BURST, 5, 1_010.5), 1_000.0) == 11
    assert seconds_left(HandLimit(BURST, 5, math.inf), 1_000.0) is None
