"""The command `limit`: what it says of what it does, and what it refuses."""

from pathlib import Path
from typing import Any

import pytest

from dohproxy.config import read
from dohproxy.control.command import Command, Refused, Result, WrongArguments
from dohproxy.control.config_show import show
from dohproxy.control.lifecycle import reload
from dohproxy.control.limit import ARGUMENTS, limit
from tests.control.command_samples import FakeService

TEXT = """\
[limits]
requests_burst = 300
[[upstream]]
name = "ns0"
url = "udp://192.0.2.53"
"""
BURST = "limits.requests_burst"
COMMAND: Command[Any] = Command("limit", "", "", limit, ARGUMENTS)


def service(text: str = TEXT) -> FakeService:
    found = FakeService()
    found.config = read(text, directory=Path("/etc"))
    return found


async def give(service: FakeService, *words: str, **options: object) -> Result:
    given: dict[str, object] = dict(zip(("key", "value"), words, strict=False))
    return await limit(service, COMMAND.read(given | options))


async def test_a_value_holds_for_a_while_and_its_end_is_told() -> None:
    duty = service()
    result = await give(duty, BURST, "150", **{"for": "30m"})
    assert duty.config.limits.requests_burst == 150
    assert result.sentence.startswith("limits.requests_burst is 150 for 30 min, until 2")
    assert result.sentence.endswith(" UTC; then 300 again.")
    assert result.lines == []


async def test_without_an_end_it_is_said_that_a_restart_ends_it() -> None:
    result = await give(service(), BURST, "150")
    assert result.sentence == (
        "limits.requests_burst is 150 until it is taken back or the service is started again; it is written nowhere."
    )


async def test_what_follows_it_and_what_does_not_fit_any_more_is_told() -> None:
    followed = await give(service(), "upstream.ns0.queries_per_second", "4")
    assert "with it: limits.misses_per_second is 2" in followed.lines
    unfit = await give(service(), "limits.total_requests_burst", "100")
    assert any(line.startswith("mind: limits.requests_burst (line 2) is 300, above") for line in unfit.lines) or any(
        line.startswith("mind: limits.requests_burst is 300, above limits.total_requests_burst") for line in unfit.lines
    )


async def test_what_is_held_is_listed_with_its_end_and_the_files_value() -> None:
    duty = service()
    assert (await give(duty)).sentence == "No limit is held by hand."
    await give(duty, BURST, "150", **{"for": "30m"})
    await give(duty, "connections.max_total", "500")
    result = await give(duty)
    assert result.sentence == "2 limits are held by hand."
    assert result.lines[0].startswith("limit limits.requests_burst = 150, for 30 min, until 2")
    assert result.lines[0].endswith(" UTC (the file says 300)")
    assert result.lines[1].startswith("limit connections.max_total = 500, until it is taken back or")
    first, second = result.figures["limits"]
    assert (first["key"], first["in_file"], first["has_effect"]) == (BURST, 300, True)
    assert 1_790 < first["seconds_left"] <= 1_800
    assert second["seconds_left"] is None


async def test_one_key_is_told_with_its_bounds() -> None:
    result = await give(service(), BURST)
    assert result.sentence == "limits.requests_burst is 300 (line 2); it may be requests, 1 to 1000000."


async def test_it_is_taken_back_at_once() -> None:
    duty = service()
    await give(duty, BURST, "150")
    assert (await give(duty, BURST, reset=True)).sentence == "limits.requests_burst is 300 again."
    assert duty.config.limits.requests_burst == 300
    with pytest.raises(Refused, match="is not held by hand"):
        await give(duty, BURST, reset=True)


async def test_an_upstream_is_asked_less_at_once_and_more_only_if_it_has_agreed() -> None:
    duty = service()
    await give(duty, "upstream.ns0.queries_per_second", "5")
    with pytest.raises(Refused, match=r"an upstream bans who asks more than it allows.* 20 --yes$"):
        await give(duty, "upstream.ns0.queries_per_second", "20")
    assert duty.config.upstreams[0].queries_per_second == 5
    await give(duty, "upstream.ns0.queries_per_second", "20", yes=True)
    assert duty.config.upstreams[0].queries_per_second == 20


async def test_back_to_what_the_file_says_is_not_upward() -> None:
    duty = service()
    await give(duty, "upstream.ns0.queries_per_second", "5")
    await give(duty, "upstream.ns0.queries_per_second", "10")
    assert duty.config.upstreams[0].queries_per_second == 10


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("limits.request_burst", "5"), "did you mean limits.requests_burst?"),
        (("limits.qqq", "5"), "there are limits.requests_per_second, limits.requests_burst, "),
        (("cache.max_megabytes", "5"), "is no key that can be changed by hand; there are every number of \\[limits\\]"),
        (("upstream.ns1.burst", "5"), "did you mean upstream.ns0.burst?"),
        ((BURST, "many"), 'value is "many": it is no number'),
        ((BURST, "0"), "^limits.requests_burst is 0, outside of 1 to 1000000 requests. For example: "),
        ((BURST, "1.5"), "must be a whole number"),
    ],
    ids=lambda value: str(value),
)
async def test_what_cannot_be_understood_is_told_with_what_is_meant(words: tuple[str, ...], why: str) -> None:
    duty = service()
    with pytest.raises(WrongArguments, match=why.replace("?", "\\?").replace(".", "\\.")):
        await give(duty, *words)
    assert duty.hand_limits.current() == ()


@pytest.mark.parametrize(
    ("words", "options"),
    [((), {"reset": True}), ((), {"for": "1h"}), ((BURST,), {"for": "1h"}), ((BURST, "5"), {"reset": True})],
    ids=str,
)
async def test_half_a_command_changes_nothing(words: tuple[str, ...], options: dict[str, object]) -> None:
    duty = service()
    with pytest.raises(WrongArguments):
        await give(duty, *words, **options)
    assert duty.hand_limits.current() == ()


async def test_a_key_that_waits_for_a_restart_is_refused() -> None:
    with pytest.raises(Refused, match="holds from the start of the process to its end"):
        await give(service(), "limits.table_slots", "2048")


async def test_a_value_that_does_not_fit_the_others_is_refused_with_the_reason() -> None:
    with pytest.raises(Refused, match="nothing has changed") as refused:
        await give(service(), "connections.max_per_network", "10")
    assert "a network holds at least what one of its clients may" in refused.value.lines[0]


async def test_where_a_value_comes_from_is_told_with_what_holds_afterwards() -> None:
    duty = service()
    await give(duty, BURST, "150", **{"for": "30m"})
    told = await show(duty, {"section": "limits", "written": True})
    (line,) = told.lines
    assert line.startswith("limits.requests_burst = 150  # by hand, for 30 min, until 2")
    assert line.endswith("; then 300 again (line 2)")


async def test_a_reload_says_what_goes_on_to_hold_by_hand() -> None:
    duty = service()
    await give(duty, BURST, "150")
    (line,) = (await reload(duty, {})).lines
    assert line.startswith("by hand, whatever the file says: limit limits.requests_burst = 150, until it is taken back")


async def test_a_budget_that_the_file_has_lowered_further_is_told_to_have_no_effect() -> None:
    duty = service()
    await give(duty, "upstream.ns0.queries_per_second", "5")
    duty.config = duty.hand_limits.over(read(TEXT + "queries_per_second = 3\n", directory=Path("/etc")))
    (line,) = (await give(duty)).lines
    assert "of no effect: the file says 3, and an upstream is asked no more than that" in line
    duty.config = read(TEXT.replace("ns0", "ns1"), directory=Path("/etc"))
    assert (await give(duty)).lines[0].endswith("(of no effect: the file has no such key any more)")
    forgotten = await give(duty, "upstream.ns0.queries_per_second", reset=True)
    assert forgotten.sentence.endswith("is forgotten, as the file has no such key any more.")


async def test_what_was_agreed_beside_another_value_is_told_to_have_no_effect_until_it_is_agreed_anew() -> None:
    duty = service()
    path = "upstream.ns0.queries_per_second"
    await give(duty, path, "50", yes=True)
    duty.config = duty.hand_limits.over(read(TEXT + "queries_per_second = 20\n", directory=Path("/etc")))
    assert duty.config.upstreams[0].queries_per_second == 20
    (line,) = (await give(duty)).lines
    assert "of no effect: it was agreed when the file said 10, and" in line
    await give(duty, path, "50", yes=True)
    assert duty.config.upstreams[0].queries_per_second == 50


async def test_a_yes_to_what_is_no_more_than_the_file_says_is_no_agreement_to_more() -> None:
    duty = service()
    await give(duty, "upstream.ns0.queries_per_second", "5", yes=True)
    duty.config = duty.hand_limits.over(read(TEXT + "queries_per_second = 3\n", directory=Path("/etc")))
    assert duty.config.upstreams[0].queries_per_second == 3


PAIR = """\
[[upstream]]
name = "a"
url = "udp://192.0.2.53"
group = "pair"
[[upstream]]
name = "b"
url = "udp://192.0.2.54"
group = "pair"
"""
FIRST, SECOND = PAIR[: len(PAIR) // 2], PAIR[len(PAIR) // 2 :]


@pytest.mark.parametrize("upstreams", [SECOND + FIRST, SECOND, SECOND + FIRST.replace('group = "pair"', "")], ids=str)
@pytest.mark.parametrize("name", ["a", "b"])
async def test_what_is_said_of_a_group_is_of_the_group_whoever_of_it_is_in_the_file(upstreams: str, name: str) -> None:
    duty = service(PAIR)
    await give(duty, f"upstream.{name}.burst", "5")
    duty.config = duty.hand_limits.over(read(upstreams, directory=Path("/etc")))
    assert duty.config.upstreams[0].burst == 5
    assert (await give(duty)).lines[0].startswith("limit upstream.b.burst = 5, until")
    await give(duty, "upstream.b.burst", "4")
    assert (await give(duty)).figures["limits"][0]["value"] == duty.config.upstreams[0].burst == 4
    assert len(duty.hand_limits.current()) == 1
    again = await give(duty, "upstream.b.burst", reset=True)
    assert again.sentence == "upstream.b.burst is 40 again."
    assert duty.hand_limits.current() == ()


async def test_what_was_said_of_a_group_is_taken_back_by_the_name_that_it_was_said_by() -> None:
    duty = service(PAIR)
    await give(duty, "upstream.b.burst", "5")
    duty.config = duty.hand_limits.over(read(SECOND, directory=Path("/etc")))
    await give(duty, "upstream.a.burst", reset=True)
    assert (duty.config.upstreams[0].burst, duty.hand_limits.current()) == (40, ())


async def test_what_was_said_of_two_upstreams_that_are_a_group_now_is_one_word() -> None:
    duty = service(PAIR.replace('group = "pair"', ""))
    await give(duty, "upstream.a.burst", "5")
    await give(duty, "upstream.b.burst", "6")
    duty.config = duty.hand_limits.over(read(PAIR, directory=Path("/etc")))
    await give(duty, "upstream.b.burst", reset=True)
    assert ([one.burst for one in duty.config.upstreams], duty.hand_limits.current()) == ([40, 40], ())
