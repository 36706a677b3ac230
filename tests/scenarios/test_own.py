"""Our own scenarios: each is played through the walk, and each reply is what it says."""

import pytest

from tests.scenarios.own import SCENARIOS
from tests.scenarios.performance import Performance, compare


@pytest.mark.parametrize("title", SCENARIOS)
async def test_a_scenario_is_played_as_written(title: str) -> None:
    scenario = SCENARIOS[title]
    expected = {step.number: step.entry for step in scenario.steps if step.what == "CHECK_ANSWER"}
    replies = await Performance(scenario).replies()
    assert replies.keys() == expected.keys()
    for number, reply in replies.items():
        compare(reply, expected[number])
