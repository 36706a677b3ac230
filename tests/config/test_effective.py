"""What holds, and where each value comes from."""

from pathlib import Path
from typing import Any

import pytest

from dohproxy.config import read
from dohproxy.config.effective import Effective, effective
from dohproxy.config.sections import SECTIONS

TEXT = """\
[limits]
requests_burst = 77
[dialects]
post-body-hash = "count"
[[upstream]]
name = "ns0"
url = "udp://192.0.2.53"
preset = "quad9"
burst = 99
[[upstream]]
name = "home"
url = "udp://192.0.2.54"
[[route]]
domains = ["home.arpa"]
upstreams = ["home"]
[[blocklist]]
name = "court"
names = ["ads.example.net"]
ends = "2027-05-31"
"""


def keys(text: str = TEXT, **arguments: Any) -> dict[str, Effective]:
    return {key.path: key for key in effective(read(text, directory=Path("/etc")), **arguments)}


@pytest.mark.parametrize(
    ("path", "value", "origin"),
    [
        ("limits.requests_burst", 77, "line 2"),
        ("limits.requests_per_second", 20, "default"),
        (
            "limits.misses_per_second",
            20.0,
            "default: half of the smallest upstream budget, but no more than requests_per_second",
        ),
        ("upstream #1.burst", 99, "line 9"),
        ("upstream #1.queries_per_second", 300, 'preset "quad9"'),
        ("upstream #2.in_flight", 20, 'preset "associative"'),
        ("upstream #2.url", "udp://192.0.2.54", "line 12"),
        ("route #1.domains", ["home.arpa"], "line 14"),
        ("blocklist #1.ends", "2027-05-31", "line 19"),
        ("blocklist #1.action", "refused", "default"),
        ("cache.snapshot_file", None, "default"),
    ],
    ids=lambda value: str(value)[:30],
)
def test_each_value_has_its_origin(path: str, value: object, origin: str) -> None:
    found = keys()[path]
    assert (found.value, found.origin) == (value, origin)


def test_the_dialects_are_keys_of_their_own() -> None:
    assert {path for path in keys() if path.startswith("dialects.")} == {
        f"dialects.{name}" for section in SECTIONS if section.name == "dialects" for name in section.keys
    }


def test_sections_that_there_are_not_have_no_keys() -> None:
    assert not {path.partition(".")[0] for path in keys()} & {"tls", "metrics", "admin"}
    assert "admin.socket" in keys(TEXT + "[admin]\n")


def test_what_waits_for_a_restart_is_not_said_to_stand_in_the_file() -> None:
    text = TEXT + "[cache]\nmax_megabytes = 100\n"
    assert keys(text)["cache.max_megabytes"].line == 21
    waiting = keys(text, waiting=("cache.max_megabytes",))["cache.max_megabytes"]
    assert (waiting.line, "until a restart" in waiting.origin) == (None, True)
