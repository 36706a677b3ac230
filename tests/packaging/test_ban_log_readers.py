"""What is shipped for programs that read the ban log reads what is written there."""

import re
from pathlib import Path

import pytest

from dohproxy.jobs.ban_log import line_of
from dohproxy.policy.ban_table import Ban, BanSource
from dohproxy.policy.prefixes import parse_prefix

CONF = Path(__file__).parents[2] / "conf"
GROK = {
    "TIMESTAMP_ISO8601": r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}[+-][0-9]{2}:[0-9]{2}",
    "IP": r"[0-9a-f.:]+",
    "INT": r"[+-]?[0-9]+",
    "WORD": r"\b\w+\b",
}
"""What these mean to CrowdSec, near enough."""
NETWORKS = pytest.mark.parametrize(
    ("network", "address", "length"),
    [("192.0.2.7", "192.0.2.7", None), ("192.0.2.0/24", "192.0.2.0", "24"), ("2001:db8::1", "2001:db8::", "64")],
)
SOURCES = pytest.mark.parametrize("source", BanSource)


def line(network: str, source: BanSource) -> str:
    return line_of(Ban(160.0, 'of "somebody"', 2, source, parse_prefix(network)), 100.0, 0.0).rstrip("\n")


@NETWORKS
@SOURCES
def test_fail2ban_finds_the_address_or_network(
    network: str, address: str, length: str | None, source: BanSource
) -> None:
    text = (CONF / "fail2ban" / "filter.d" / "dohproxy.conf").read_text(encoding="utf-8")
    [pattern] = re.findall(r"^failregex = (.+)$", text, re.MULTILINE)
    [date] = re.findall(r"^datepattern = (.+)$", text, re.MULTILINE)
    assert date == "^%%Y-%%m-%%dT%%H:%%M:%%S%%z"
    moment, _, rest = line(network, source).partition(" ")
    assert re.fullmatch(GROK["TIMESTAMP_ISO8601"], moment)
    found = re.search(pattern.replace("<SUBNET>", r"(?P<subnet>[0-9a-f.:]+(?:/[0-9]+)?)"), rest)
    assert found is not None
    assert found["subnet"] == address + ("" if length is None else f"/{length}")


@NETWORKS
@SOURCES
def test_crowdsec_finds_the_address_and_the_length(
    network: str, address: str, length: str | None, source: BanSource
) -> None:
    text = (CONF / "crowdsec" / "dohproxy-parser.yaml").read_text(encoding="utf-8")
    [pattern] = re.findall(r"^  pattern: '(.+)'$", text, re.MULTILINE)
    plain = re.sub(r"%\{(\w+):(\w+)\}", lambda found: f"(?P<{found[2]}>{GROK[found[1]]})", pattern)
    found = re.search(plain, line(network, source))
    assert found is not None
    assert (found["address"], found["length"], found["seconds"], found["level"]) == (address, length, "60", "2")


def test_nothing_else_that_could_stand_there_is_taken_for_a_ban() -> None:
    text = (CONF / "fail2ban" / "filter.d" / "dohproxy.conf").read_text(encoding="utf-8")
    [pattern] = re.findall(r"^failregex = (.+)$", text, re.MULTILINE)
    told = Ban(160.0, 'dohproxy ban 10.0.0.1 seconds=60 level=1 source=rule reason="', 0, BanSource.COMMAND,
               parse_prefix("192.0.2.7"))  # fmt: skip
    rest = line_of(told, 100.0, 0.0).partition(" ")[2]
    assert [found.group(1) for found in re.finditer(pattern.replace("<SUBNET>", "(.+?)"), rest)] == ["192.0.2.7"]
