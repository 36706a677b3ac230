"""The state in one sentence."""

from typing import Any

from dohproxy.control.status import sentence, troubles
from dohproxy.observability.upstream_alerts import Alert

WELL: dict[str, Any] = {
    "reload": {"last_succeeded": True, "waiting": ()},
    "upstreams": [{}],
    "cache": {"positive_entries": 1_200, "negative_entries": 34},
}


def alert(*, is_harmless: bool) -> Alert:
    return Alert("ns0", "silent", 0.0, "upstream ns0 says nothing", is_harmless=is_harmless)


def test_what_is_well_is_said_in_one_sentence() -> None:
    assert troubles(WELL, []) == []
    assert sentence(WELL, []) == "All is well: 1 upstream is asked, 1,234 answers are in the cache."


def test_what_is_harmless_is_no_trouble() -> None:
    assert troubles(WELL, [alert(is_harmless=True)]) == []


def test_everything_that_is_wrong_stands_in_the_sentence() -> None:
    refused = WELL | {"reload": {"last_succeeded": False, "waiting": ()}}
    told = troubles(refused, [alert(is_harmless=False)])
    said = sentence(refused, told)
    assert said.startswith("Not well: upstream ns0 says nothing, since 1970-01-01 00:00:00 UTC; the configuration file")
    assert said.count(".") == 1
