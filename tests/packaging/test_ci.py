"""`.ci/run` has every program installed with which a test tries something: there a missing one fails."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
ASKED_FOR = re.compile(r"""(?:find_program|Program)\(\s*"[\w.-]+",\s*"([\w.+-]+)\"""")
OF_EVERY_DEBIAN = {"bash", "util-linux"}
FETCHED_APART = {"dnscrypt-proxy", "systemd-resolved"}


def packages_of_tests() -> set[str]:
    """The Debian packages that tests name."""
    return {
        package
        for file in (ROOT / "tests").rglob("*.py")
        for package in ASKED_FOR.findall(file.read_text(encoding="utf-8"))
    }


def test_what_tests_need_is_installed() -> None:
    script = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    installed = set(re.findall(r"^need \S+ (\S+)$", script, re.MULTILINE))
    assert len(packages_of_tests()) > 15
    assert packages_of_tests() - OF_EVERY_DEBIAN - FETCHED_APART <= installed
