"""Numbers laid over a file: which may be, and that they are judged as if they stood in it."""

from dataclasses import replace
from pathlib import Path

import pytest

from dohproxy.config import Config, ConfigError, default_config, read
from dohproxy.config.addresses import UpstreamAddress
from dohproxy.config.keys import Integer, Number
from dohproxy.config.overlay import BUDGET_KEYS, laid_over, open_keys, spellings, without_overlay
from dohproxy.config.schema import UpstreamConfig
from dohproxy.config.sections import SECTIONS

TEXT = """\
[limits]
requests_burst = 300
[names]
domain_failures_per_second = 2

[[upstream]]
name = "one"
url = "udp://192.0.2.53"
preset = "quad9"
[[upstream]]
name = "two.a"
url = "udp://192.0.2.54"
group = "pair"
[[upstream]]
name = "two.b"
url = "udp://192.0.2.55"
group = "pair"
"""


def config(text: str = TEXT) -> Config:
    return read(text, directory=Path("/etc"))


def told(values: dict[str, float], text: str = TEXT) -> list[str]:
    with pytest.raises(ConfigError) as refused:
        laid_over(config(text), values)
    return [str(problem) for problem in refused.value.problems]


def test_every_number_of_the_open_sections_and_of_budgets_may_be_changed() -> None:
    numbers = {
        f"{section.name}.{name}"
        for section in SECTIONS
        for name, one in section.keys.items()
        if section.name in ("limits", "connections", "names") and isinstance(one.key, Integer | Number)
    }
    budgets = {f"upstream.{name}.{key}" for name in ("one", "two.a", "two.b") for key in BUDGET_KEYS}
    assert open_keys(config()).keys() == numbers | budgets
    assert spellings(["one", "two.a", "two.b"]) == list(open_keys(config()))
    assert "limits.exempt_networks" not in numbers


def test_a_key_knows_what_it_is_now() -> None:
    keys = open_keys(config())
    assert (keys["limits.requests_burst"].value, keys["limits.requests_burst"].is_budget) == (300, False)
    assert (keys["upstream.one.queries_per_second"].value, keys["upstream.one.burst"].is_budget) == (300, True)


def test_a_group_has_one_budget_by_the_name_of_its_first() -> None:
    key = open_keys(config())["upstream.two.b.burst"]
    assert key.path == "upstream.two.a.burst"
    assert key.places == ("upstream #2.burst", "upstream #3.burst")
    found = laid_over(config(), {"upstream.two.b.burst": 7})
    assert [one.burst for one in found.upstreams] == [150, 7, 7]


def test_a_value_holds_in_place_of_the_files_and_the_file_can_be_had_back() -> None:
    found = laid_over(config(), {"limits.requests_burst": 150, "connections.max_total": 100})
    assert (found.limits.requests_burst, found.connections.max_total) == (150, 100)
    assert without_overlay(found) == config()
    again = laid_over(without_overlay(found), {"connections.max_total": 50})
    assert (again.limits.requests_burst, again.connections.max_total) == (300, 50)


def test_it_is_known_of_which_file_it_is_whatever_lies_over_it() -> None:
    of_file = replace(config(), file_hash=7)
    found = laid_over(of_file, {"limits.requests_burst": 150})
    assert (found.file_hash, without_overlay(found).file_hash) == (7, 7)


def test_what_follows_a_key_follows_it() -> None:
    found = laid_over(config(), {"upstream.two.a.queries_per_second": 4})
    assert (config().limits.misses_per_second, found.limits.misses_per_second) == (5, 2)


def test_nothing_is_read_again_where_nothing_is_laid_over() -> None:
    before = config()
    assert laid_over(before, {}) is before


@pytest.mark.parametrize(
    ("path", "value", "problem"),
    [
        (
            "limits.requests_burst",
            0,
            "limits.requests_burst is 0, outside of 1 to 1000000 requests. For example: requests_burst = 200",
        ),
        (
            "limits.requests_burst",
            1.5,
            "limits.requests_burst must be a whole number, not a number with a fraction. For example: requests_burst"
            " = 200",
        ),
        (
            "upstream.two.b.burst",
            0,
            "upstream.two.b.burst is 0, outside of 1 to 100000 queries. For example: burst = 40",
        ),
    ],
)
def test_a_wrong_value_is_told_as_the_file_would_be_at_the_key_as_it_was_typed(
    path: str, value: float, problem: str
) -> None:
    assert told({path: value}) == [problem]


def test_the_rules_between_keys_hold_and_name_the_line_of_what_stands_in_the_file() -> None:
    (problem,) = told({"names.domain_misses_per_second": 1})
    assert problem.startswith("names.domain_failures_per_second")
    assert "a failure is a miss too" in problem


def test_what_is_said_of_an_upstream_that_has_gone_is_left_out() -> None:
    found = laid_over(config(), {"upstream.gone.burst": 3, "limits.requests_burst": 150})
    assert found.limits.requests_burst == 150


def test_without_a_file_there_is_nothing_to_lay_a_value_over() -> None:
    own = default_config((UpstreamConfig("ns0", UpstreamAddress("udp", "192.0.2.53", 53)),))
    assert without_overlay(own) is own
    with pytest.raises(ConfigError, match="no file"):
        laid_over(own, {"limits.requests_burst": 150})
