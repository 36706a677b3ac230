"""What RESINFO says: as dnspython reads it, and true of what the code can send."""

import ast
from dataclasses import replace
from pathlib import Path

import dns.rdata
import pytest

import dohproxy
from dohproxy.config import Config, DiscoveryConfig, PagesConfig, ServerConfig, UpstreamAddress, UpstreamConfig
from dohproxy.config.discovery_values import LONGEST_TOLD_HOST
from dohproxy.config.schema.pages import PAGE_PATHS
from dohproxy.policy.discovery.information import POLICY_PATH, information_of, ranges_of, told_errors
from dohproxy.wire.numbers import ExtendedError

UPSTREAM = UpstreamConfig("ns0", UpstreamAddress("udp", "192.0.2.53", 53))
CONFIG = Config((UPSTREAM,), ServerConfig(host="doh.example.net"))
PACKAGE = Path(dohproxy.__file__).parent


def read(config: Config) -> list[str]:
    """Return the keys and values, by dnspython."""
    rdata = information_of(config)
    found = dns.rdata.from_wire("IN", "RESINFO", rdata, 0, len(rdata))
    return [text.decode() for text in found.strings]  # type: ignore[attr-defined]  # as TXT has them


def test_by_default_it_says_which_errors_there_are() -> None:
    assert read(CONFIG) == ["exterr=3,13-23"]


def test_what_the_operator_says_and_where_to_read_on() -> None:
    config = replace(CONFIG, discovery=DiscoveryConfig(qname_minimisation=True), pages=PagesConfig(enabled=True))
    assert read(config) == ["qnamemin", "exterr=3,13-23", "infourl=https://doh.example.net/policy"]
    elsewhere = replace(config, discovery=DiscoveryConfig(port=8443))
    assert read(elsewhere)[-1] == "infourl=https://doh.example.net:8443/policy"


def test_errors_of_upstreams_that_validate_are_passed_on() -> None:
    config = replace(CONFIG, upstreams=(UPSTREAM, replace(UPSTREAM, name="ns1", validates=True)))
    assert read(config) == ["exterr=1-3,5-23,25,27"]
    assert told_errors(config) > told_errors(CONFIG)


def test_every_code_of_our_own_is_one_that_is_sent_somewhere() -> None:
    named = {
        node.attr
        for path in PACKAGE.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "ExtendedError"
    }
    assert named == {error.name for error in ExtendedError}
    assert told_errors(CONFIG) == frozenset(map(int, ExtendedError))


def test_what_it_leads_to_is_a_page_of_ours() -> None:
    assert POLICY_PATH in PAGE_PATHS


def test_the_longest_name_leads_somewhere_too() -> None:
    host = ".".join(["a" * 63] * 3) + "." + "a" * (LONGEST_TOLD_HOST - 192)
    config = replace(
        CONFIG, server=ServerConfig(host=host), pages=PagesConfig(enabled=True), discovery=DiscoveryConfig(port=65_535)
    )
    assert len(read(config)[-1]) == 255


RANGES = {
    "nothing": ([], ""),
    "one": ([3], "3"),
    "two in a row": ([15, 16], "15-16"),
    "alone and in a row": ([13, 3, 15, 14, 14], "3,13-15"),
    "all apart": ([1, 3, 5], "1,3,5"),
}


@pytest.mark.parametrize(("codes", "text"), RANGES.values(), ids=RANGES)
def test_how_numbers_are_written(codes: list[int], text: str) -> None:
    assert ranges_of(codes) == text
