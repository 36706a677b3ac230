"""Versions: which of two is newer, and what is said of it."""

import pytest

from dohproxy.tools.doctor.findings import Severity
from dohproxy.tools.doctor.version import judge, parse

IN_ORDER = ["v0.9.10", "1.0.0a1", "1.0.0a2", "1.0.0b1", "v1.0.0rc1", "1.0.0-rc.2", "v1.0.0", "1.0.1", "1.10.0"]


def test_versions_are_ordered_as_installers_order_them() -> None:
    parsed = [parse(text) for text in IN_ORDER]
    assert None not in parsed
    assert parsed == sorted(parsed, key=lambda one: one or ((), ("", 0)))
    assert len(set(parsed)) == len(parsed)


@pytest.mark.parametrize("text", ["", "1.2", "v1.2.3.4", "1.2.3dev", "latest", "1.2.3 ; rm", "v" + "9" * 99 + ".0.0"])
def test_what_is_no_version(text: str) -> None:
    assert parse(text) is None


SAID = {
    "a newer tag": ("0.1.0", "v0.2.0", None, [Severity.WARNING], "v0.2.0 is out, and this is 0.1.0"),
    "the same tag": ("0.1.0", "v0.1.0", None, [Severity.OK], "0.1.0 is not older than v0.1.0"),
    "an older tag": ("0.2.0", "v0.1.0", None, [Severity.OK], "is not older"),
    "no tag": ("0.1.0", None, None, [Severity.OK], "--newest-tag"),
    "something else": ("0.1.0", "main", None, [Severity.NOTE], "main is no version"),
    "another service": ("0.2.0", None, "0.1.0", [Severity.WARNING, Severity.OK], "the service that runs is 0.1.0"),
    "the same service": ("0.1.0", None, "0.1.0", [Severity.OK], "0.1.0"),
}


@pytest.mark.parametrize(("own", "newest", "running", "severities", "words"), SAID.values(), ids=SAID)
def test_what_is_said(
    own: str, newest: str | None, running: str | None, severities: list[Severity], words: str
) -> None:
    found = list(judge(own, newest, running))
    assert [one.severity for one in found] == severities
    assert words in found[0].what
