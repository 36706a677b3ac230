"""The level of the log: changed for a while, and back by itself."""

import asyncio

from dohproxy.control.log_level import LogLevel, log_level
from tests.control.command_samples import FakeService
from tests.frontends.served import until


def level(applied: list[str]) -> LogLevel:
    return LogLevel("info", asyncio.get_running_loop().call_later, applied.append)


async def test_it_goes_back_by_itself() -> None:
    applied: list[str] = []
    one = level(applied)
    one.change("debug", 0.02)
    assert (one.now, one.seconds_left(asyncio.get_running_loop().time())) == ("debug", 1)
    await until(lambda: applied == ["debug", "info"], "the configured level")
    assert one.seconds_left(0.0) == 0


async def test_a_second_change_ends_the_first() -> None:
    applied: list[str] = []
    one = level(applied)
    one.change("debug", 0.01)
    one.change("error", 60.0)
    await asyncio.sleep(0.03)
    assert applied == ["debug", "error"]
    one.change("info", 60.0)
    assert (applied[-1], one.seconds_left(0.0)) == ("info", 0)


async def test_another_configured_level_waits_for_the_end_of_what_holds_for_a_while() -> None:
    applied: list[str] = []
    one = level(applied)
    one.change("debug", 60.0)
    one.adopt("warning")
    assert applied == ["debug"]
    one.go_back()
    assert applied == ["debug", "warning"]
    one.adopt("error")
    assert applied == ["debug", "warning", "error"]


async def test_the_command_says_for_how_long() -> None:
    service = FakeService()
    result = await log_level(service, {"level": "debug", "minutes": 60})
    assert result.sentence == "The log has the level debug for 60 minutes, then info again, as configured."
    assert 3_590 < service.log_level.seconds_left(asyncio.get_running_loop().time()) <= 3_601
    result = await log_level(service, {"level": "info", "minutes": 60})
    assert result.sentence == "The log has its configured level, info."
    assert service.applied == ["debug", "info"]
