"""The state in one sentence."""

from typing import Any

from dohproxy.control.status import _kernel, _upstream, sentence, troubles
from dohproxy.observability.upstream_alerts import Alert

FIGURES: dict[str, Any] = {
    "dohproxy_last_reload_success": True,
    "dohproxy_upstream_paused": {"ns0": False},
    "dohproxy_cache_entries": {"positive": 1_200, "negative": 34, "cut": 5, "failure": 6},
}
SOME: dict[str, Any] = {
    f"dohproxy_upstream_{name}": {"ns0": value}
    for name, value in {
        "sends_total": {"answered": 7},
        "in_flight": 1,
        "max_in_flight": 20,
        "budget_left": 39.5,
        "budget_burst": 40,
        "score_seconds": 0.012,
    }.items()
}
WELL: dict[str, Any] = {"figures": FIGURES, "blocklists": [{"name": "ads", "problem": ""}]}


def but(**figures: Any) -> dict[str, Any]:
    """A service that is well but for these figures."""
    return WELL | {"figures": FIGURES | {f"dohproxy_{name}": value for name, value in figures.items()}}


def alert(*, is_harmless: bool) -> Alert:
    return Alert("ns0", "silent", 0.0, "upstream ns0 says nothing", is_harmless=is_harmless)


def test_what_is_well_is_said_in_one_sentence() -> None:
    assert troubles(WELL, []) == []
    assert sentence(WELL, []) == "All is well: 1 upstream is asked, 1,234 answers are in the cache."


def test_what_is_paused_is_said_and_no_trouble_as_long_as_another_is_asked() -> None:
    one_of_two = but(upstream_paused={"ns0": True, "ns1": False})
    assert troubles(one_of_two, [alert(is_harmless=False)]) == []
    assert sentence(one_of_two, []).startswith("All is well: 1 upstream is asked, 1 paused, ")
    assert troubles(but(upstream_paused={"ns0": True}), []) == ["every upstream is paused"]


def test_what_is_harmless_is_no_trouble() -> None:
    assert troubles(WELL, [alert(is_harmless=True)]) == []


def test_everything_that_is_wrong_stands_in_the_sentence() -> None:
    refused = but(last_reload_success=False)
    told = troubles(refused, [alert(is_harmless=False)])
    said = sentence(refused, told)
    assert said.startswith("Not well: upstream ns0 says nothing, since 1970-01-01 00:00:00 UTC; the configuration file")
    assert said.count(".") == 1


def test_it_is_said_since_when_an_upstream_is_paused() -> None:
    one = {"name": "ns0", "breaker": "closed", "paused_since": 1_800_000_000.0}
    line = _upstream(one, SOME)
    assert line.startswith("upstream ns0: paused by hand since 2027-01-15 08:00:00 UTC, 7 answered, ")
    assert _upstream(one | {"paused_since": None}, SOME).startswith("upstream ns0: breaker closed, 7 answered, ")


def test_it_is_said_whether_the_kernel_is_told_of_bans() -> None:
    assert list(_kernel({})) == []
    connected = {"dohproxy_kernel_bans_connected": True, "dohproxy_kernel_bans": 1_200}
    assert list(_kernel(connected)) == ["kernel: dohproxy-nft is connected, and 1,200 networks dropped"]
    [away] = _kernel(connected | {"dohproxy_kernel_bans_connected": False})
    assert away.startswith("kernel: dohproxy-nft is not connected")


def test_a_blocklist_whose_file_is_not_in_use_is_a_trouble() -> None:
    broken = WELL | {"blocklists": [{"name": "ads", "problem": "cannot be read (Permission denied)"}]}
    assert troubles(broken, []) == [
        "the blocklist ads is not in use as it lies on the disk, since its file cannot be read (Permission denied)"
    ]
