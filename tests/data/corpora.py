"""Where data is that nobody in this project made: beside the project, or where DOHPROXY_CORPORA says.

The one place that knows. What must be in that directory, and where it comes from, is in tests/README.md.
"""

import os
from pathlib import Path
from typing import Final

VARIABLE: Final = "DOHPROXY_CORPORA"
_BESIDE: Final = Path(__file__).resolve().parents[3] / "shared" / "corpora"
_PACKETS: Final = ("bind9/messages", "bind9/names", "dnsproxy")


def directory() -> Path:
    """Return where it is looked for; it need not be there."""
    return Path(os.environ.get(VARIABLE, _BESIDE))


def are_present() -> bool:
    """Tell whether there is any."""
    return directory().is_dir()


def are_wanted() -> bool:
    """Tell whether tests over them run: where there are any, and in CI or where some were promised, to fail without."""
    return are_present() or os.environ.get("CI") == "true" or VARIABLE in os.environ


def what_is_missing() -> str:
    """Say where it was looked for, and what to do."""
    return f"no corpora at {directory()}; set {VARIABLE} to where they are (tests/README.md says what they are)"


def packet_directories() -> list[Path]:
    """Return the directories of packets that are there."""
    packets = directory() / "dns-packets"
    return [packets / name for name in _PACKETS if (packets / name).is_dir()]


def popular_names() -> tuple[str, ...]:
    """Return the 10,000 names of a public list, most popular first."""
    return tuple((directory() / "names" / "opendns-top-domains.txt").read_text(encoding="ascii").split())
