"""Whether a newer version is out: told by whoever asks, since nothing here asks the network for it."""

import re
from collections.abc import Iterator
from typing import Final

from dohproxy.tools.doctor.findings import Finding, Severity

SUBJECT: Final = "version"
_VERSION: Final = re.compile(r"v?(\d{1,6})\.(\d{1,6})\.(\d{1,6})(?:-?(a|b|rc)\.?(\d{1,6}))?")
_FINAL: Final = ("zz", 0)
"""Behind every letter of those that come before the version itself."""


def parse(text: str) -> tuple[tuple[int, ...], tuple[str, int]] | None:
    """Return what orders a version or its tag, such as "v1.2.3" or "1.2.0rc1"; None if it is none."""
    found = _VERSION.fullmatch(text.strip())
    if found is None:
        return None
    letters, number = found[4], found[5]
    return tuple(int(part) for part in found.groups()[:3]), _FINAL if letters is None else (letters, int(number))


def judge(own: str, newest: str | None, running: str | None) -> Iterator[Finding]:
    """Say how this program stands to the `newest` tag, if it was given, and to the service that is `running`, if it was
    asked."""
    if running is not None and running != own:
        what = f"this program is version {own}, and the service that runs is {running}"
        yield Finding(SUBJECT, Severity.WARNING, what, "restart the service: systemctl restart dohproxy")
    mine, theirs = parse(own), None if newest is None else parse(newest)
    if newest is None:
        yield Finding(SUBJECT, Severity.OK, f"{own}; give --newest-tag to compare it with what is out")
    elif mine is None or theirs is None:
        what = f"{newest} is no version that could be compared with {own}"
        yield Finding(SUBJECT, Severity.NOTE, what, "give a tag such as v1.2.3")
    elif theirs > mine:
        what = f"{newest} is out, and this is {own}"
        remedy = "read CHANGELOG.md, fetch that tag, then make venv (or make native), check, and restart"
        yield Finding(SUBJECT, Severity.WARNING, what, remedy)
    else:
        yield Finding(SUBJECT, Severity.OK, f"{own} is not older than {newest}")
