"""Limits that follow the budgets unless they are written."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dohproxy.config import PRESETS, Config, LimitsConfig, NamesConfig, UpstreamConfig, check_warnings, read
from dohproxy.config.addresses import parse_upstream
from dohproxy.config.sections import SECTIONS
from dohproxy.config.shares import SHARES, separate_budgets, share_of, shared_defaults
from dohproxy.policy.limits import MINIMUM_SLOTS, buffer_bytes
from dohproxy.policy.names import build_name_rules
from dohproxy.wire.name import from_text
from tests.fakes.walk import SUFFIXES
from tests.policy.test_domains import stranger

NAMES = ("domain_misses_per_second", "domain_misses_burst", "domain_failures_per_second", "domain_failures_burst")


def config_of(*upstreams: str, text: str = "") -> Config:
    """A configuration with one upstream for each line of keys."""
    tables = [
        f'[[upstream]]\nname = "ns{number}"\nurl = "tls://192.0.2.{number + 1}"\n{keys}\n'
        for number, keys in enumerate(upstreams)
    ]
    return read(text + "\n" + "".join(tables), directory=Path("/etc/dohproxy"))


def figures_of(config: Config) -> list[float]:
    """What all about one domain may be asked, and one client's misses."""
    return [*(getattr(config.names, key) for key in NAMES), config.limits.misses_per_second]


@pytest.mark.parametrize(
    ("upstreams", "figures"),
    [
        (['preset = "associative"'], [5, 40, 1, 20, 5]),
        (['preset = "quad9"'], [150, 150, 30, 75, 20]),
        (['preset = "own"'], [1000, 4000, 200, 2000, 20]),
        (["queries_per_second = 2\nburst = 1"], [1, 1, 0.2, 1, 1]),
        (["queries_per_second = 0.1"], [0.1, 40, 0.1, 20, 0.1]),
        (['preset = "own"', 'preset = "quad9"'], [150, 150, 30, 75, 20]),
        (['preset = "own"\nburst = 8', 'preset = "quad9"'], [150, 8, 30, 4, 20]),
        (['preset = "own"\ngroup = "a"', 'preset = "own"\ngroup = "a"'], [1000, 4000, 200, 2000, 20]),
    ],
    ids=["associative", "quad9", "own", "a tiny one", "the least there is", "two", "the least of each", "a group"],
)
def test_what_is_not_written_follows_the_smallest_budget(upstreams: list[str], figures: list[float]) -> None:
    config = config_of(*upstreams)
    assert figures_of(config) == pytest.approx(figures)
    assert all(isinstance(getattr(config.names, key), int) for key in NAMES if key.endswith("burst"))
    assert check_warnings(config) == ()


def test_the_defaults_of_the_schema_are_those_of_the_smallest_preset() -> None:
    assert PRESETS["associative"].queries_per_second == min(preset.queries_per_second for preset in PRESETS.values())
    config = config_of("")
    assert (config.names, config.limits) == (NamesConfig(), LimitsConfig())


@pytest.mark.parametrize(
    ("text", "figures"),
    [
        ("[names]\ndomain_misses_per_second = 7", [7, 4000, 7, 2000, 20]),
        ("[names]\ndomain_misses_burst = 7", [1000, 7, 200, 7, 20]),
        ("[names]\ndomain_failures_per_second = 1500", [1500, 4000, 1500, 2000, 20]),
        ("[names]\ndomain_failures_burst = 5000", [1000, 5000, 200, 5000, 20]),
        ("[limits]\nmisses_per_second = 3", [1000, 4000, 200, 2000, 3]),
        ("[limits]\nrequests_per_second = 7", [1000, 4000, 200, 2000, 7]),
        ("[limits]\nrequests_per_second = 5000\ntotal_requests_per_second = 9000", [1000, 4000, 200, 2000, 1000]),
    ],
)
def test_what_is_written_holds_and_the_others_fit_it(text: str, figures: list[float]) -> None:
    assert figures_of(config_of('preset = "own"', text=text)) == figures


def test_without_a_usable_upstream_there_is_nothing_to_follow() -> None:
    assert shared_defaults("names", {}, ()) == {}


def test_other_sections_follow_nothing() -> None:
    upstreams = (UpstreamConfig("ns0", parse_upstream("tls://192.0.2.1", Path())),)
    assert [s.name for s in SECTIONS if shared_defaults(s.name, {}, upstreams)] == ["limits", "names"]
    assert share_of("limits", "requests_burst") is None


def test_those_of_a_group_have_one_budget() -> None:
    config = config_of('group = "a"', "", 'group = "a"')
    assert len(separate_budgets(config.upstreams)) == 2


@given(st.floats(0.1, 100_000), st.integers(1, 100_000))
def test_every_budget_gives_values_within_the_bounds_of_their_keys(rate: float, burst: int) -> None:
    upstreams = (
        UpstreamConfig("ns0", parse_upstream("tls://192.0.2.1", Path()), queries_per_second=rate, burst=burst),
    )
    sections = {section.name: section for section in SECTIONS}
    for share in SHARES:
        value = shared_defaults(share.section, {}, upstreams)[share.key]
        assert sections[share.section].keys[share.key].key.read(value, Path()) == value  # type: ignore[union-attr]


def test_thirty_clients_a_second_learn_new_names_of_one_domain_from_a_resolver_of_ones_own() -> None:
    config = config_of('preset = "own"')
    tables = [memoryview(bytearray(buffer_bytes(MINIMUM_SLOTS))) for _ in range(2)]
    names = build_name_rules(config.names, SUFFIXES, *tables, secret=bytes(16), negative_ttl_max=900)
    refused = 0
    for number in range(120):
        now, qname = 1_000 + number / 30, from_text(f"n{number}.example.net")
        if names.domains.admit(qname, stranger(number + 1), now):
            names.domains.charge(qname, now, failed=bool(number % 2))
        else:
            refused += 1
    assert refused == 0
