"""Limits that can each be kept and do not fit each other."""

from pathlib import Path

import pytest

from dohproxy.config import PRESETS, read
from dohproxy.config.fit import FITTING, fit_warnings

UPSTREAM = '[[upstream]]\nname = "ns0"\nurl = "tls://192.0.2.53#ns0.example.net"\n'


def warnings_of(text: str, upstream: str = "") -> dict[str, str]:
    config = read(f"{text}\n{UPSTREAM}{upstream}", directory=Path("/etc/dohproxy"))
    return {warning.path: warning.sentence for warning in fit_warnings(config)}


@pytest.mark.parametrize("preset", PRESETS)
def test_the_defaults_fit_every_preset(preset: str) -> None:
    assert warnings_of("", f'preset = "{preset}"') == {}


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("[limits]\nmisses_per_second = 9\nrequests_per_second = 8", "limits.misses_per_second"),
        ("[limits]\nmisses_burst = 201", "limits.misses_burst"),
        ("[limits]\nrequests_per_second = 2001", "limits.requests_per_second"),
        ("[limits]\nrequests_burst = 4001", "limits.requests_burst"),
        ("[connections]\nmax_per_network = 2001", "connections.max_per_network"),
        ("[connections]\nmax_handshakes = 2001", "connections.max_handshakes"),
        ("[connections]\nnew_per_second_per_client = 401", "connections.new_per_second_per_client"),
        ("[connections]\nnew_burst_per_client = 2001", "connections.new_burst_per_client"),
        ("[resolver]\nbudget_wait_seconds = 3\ndeadline_seconds = 2", "resolver.budget_wait_seconds"),
    ],
)
def test_a_limit_above_the_one_that_it_belongs_to_is_told(text: str, path: str) -> None:
    told = warnings_of(text)
    greater = next(greater for lesser, greater, _ in FITTING if lesser == path)
    assert list(told) == [path]
    assert f"above {greater}" in told[path]


@pytest.mark.parametrize(
    ("text", "upstream", "path", "hint"),
    [
        (
            "[limits]\nmisses_per_second = 10.5",
            "",
            "limits.misses_per_second",
            "more than all upstreams may be asked (10 a second)",
        ),
        (
            "[limits]\nmisses_per_second = 10.5",
            'group = "a"\n[[upstream]]\nname = "ns1"\nurl = "tls://192.0.2.54"\ngroup = "a"',
            "limits.misses_per_second",
            "(10 a second)",
        ),
        ("[names]\ndomain_misses_per_second = 11", "", "names.domain_misses_per_second", "about one domain can use up"),
        (
            "[names]\ndomain_misses_per_second = 5",
            'preset = "own"',
            "names.domain_misses_per_second",
            "is 5, while every upstream may be asked 2000 a second: new names of one busy domain are refused",
        ),
        ("[limits]\nwaiting_misses = 19", "", "limits.waiting_misses", "fewer than the 20"),
    ],
    ids=[
        "one client, all budgets",
        "one client, the budget of a group",
        "one domain, all budgets",
        "one domain, hardly any",
        "fewer places than queries in flight",
    ],
)
def test_a_limit_that_does_not_fit_the_budgets_is_told(text: str, upstream: str, path: str, hint: str) -> None:
    told = warnings_of(text, upstream)
    assert list(told) == [path]
    assert hint in told[path]
