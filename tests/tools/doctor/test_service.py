"""What a running service says of itself, and what follows from it."""

from typing import Any

import pytest

from dohproxy.config import ClientsConfig, Config, ConnectionsConfig, UpstreamAddress, UpstreamConfig
from dohproxy.tools.doctor.findings import Finding, Severity
from dohproxy.tools.doctor.service import (
    DESCRIPTORS,
    FRONT_PROXY,
    LISTED,
    SUBJECT,
    judge,
    judge_silence,
    running_version,
)

CONFIG = Config(
    (UpstreamConfig("ns0", UpstreamAddress("udp", "192.0.2.53", 53)),), connections=ConnectionsConfig(max_total=1_000)
)


def body(**figures: Any) -> dict[str, Any]:
    """Return what `status` says of a service that is well, with other figures."""
    usual: dict[str, Any] = {
        "dohproxy_loop_delay_seconds": 0.002,
        "dohproxy_dialect_requests_total": {"rfc-get": 6_000, "post-body-hash": 100},
        "dohproxy_probes_total": {"dnscrypt_root": 50, "android_tls": 3},
        "dohproxy_alert_active": {"listed": 0.0},
        "dohproxy_front_proxy_finding": {"shared-address": 0.0, "untrusted-header": 0.0, "missing-header": 0.0},
        "dohproxy_client_address_total": {"connection": 6_100, "header": 0, "missing": 0},
        "dohproxy_proxy_header_defects_total": {"signature": 0},
        "dohproxy_build_info": {"0.1.0": {"source": 1.0}},
        "process_max_fds": 65_536.0,
        "process_open_fds": 40.0,
    }
    other = {name if name.startswith("process") else f"dohproxy_{name}": one for name, one in figures.items()}
    sentence = "All is well: 1 upstream is asked."
    return {"sentence": sentence, "well": True, "reload": {"waiting": []}, "figures": {**usual, **other}}


def _of(found: list[Finding], subject: str) -> list[Finding]:
    return [one for one in found if one.subject == subject]


def test_a_service_that_is_well() -> None:
    found = list(judge(body(), CONFIG))
    assert {one.severity for one in found} == {Severity.OK}
    assert {one.subject for one in found} == {SUBJECT, LISTED, DESCRIPTORS}
    assert running_version(body()) == "0.1.0"


def test_its_own_troubles_are_repeated_and_no_word_of_all_being_well() -> None:
    told = {**body(), "sentence": "Not well: ns0 refuses to answer; a blocklist is not in use.", "well": False}
    [found] = _of(list(judge(told, CONFIG)), SUBJECT)
    assert found.severity is Severity.WARNING
    assert found.what == "ns0 refuses to answer; a blocklist is not in use"


def test_a_late_event_loop() -> None:
    [found] = _of(list(judge(body(loop_delay_seconds=1.5), CONFIG)), SUBJECT)
    assert "1.5 s late" in found.what


def test_keys_that_wait_for_a_restart_are_a_note() -> None:
    waiting = {**body(), "reload": {"waiting": ["log.format"]}}
    _, found = _of(list(judge(waiting, CONFIG)), SUBJECT)
    assert found.severity is Severity.NOTE
    assert "log.format" in found.what


LISTS = {
    "an alert": ({"alert_active": {"listed": 1.0}}, Severity.WARNING, "a public list"),
    "mostly stubs": ({"dialect_requests_total": {"rfc-get": 600, "post-body-hash": 900}}, Severity.NOTE, "60 %"),
    "mostly probes": ({"probes_total": {"dnscrypt_root": 4_000}}, Severity.NOTE, "66 %"),
    "little": ({"dialect_requests_total": {"post-body-hash": 900}}, Severity.NOTE, "900 requests since the start"),
    "the usual": ({}, Severity.OK, "2 % of 6,100 requests"),
}


@pytest.mark.parametrize(("figures", "severity", "words"), LISTS.values(), ids=LISTS)
def test_whether_a_public_list_has_it(figures: dict[str, Any], severity: Severity, words: str) -> None:
    [found] = _of(list(judge(body(**figures), CONFIG)), LISTED)
    assert found.severity is severity
    assert words in found.what


def _behind(source: Any, **figures: Any) -> Finding:
    config = Config(CONFIG.upstreams, clients=ClientsConfig(address_from=source, trusted_proxies=("unix",)))
    [found] = _of(list(judge(body(**figures), config)), FRONT_PROXY)
    return found


def test_a_header_that_comes_is_counted() -> None:
    found = _behind("forwarded", client_address_total={"header": 90, "hidden": 5, "missing": 5})
    assert (found.severity, found.what[:15]) == (Severity.OK, "95 of 100 reque")


def test_a_header_that_never_came_is_a_warning() -> None:
    found = _behind("x-forwarded-for", client_address_total={"header": 0, "missing": 30})
    assert found.severity is Severity.WARNING
    assert "let it send the header" in found.remedy


def test_without_requests_there_is_nothing_to_say_of_headers() -> None:
    assert _behind("forwarded", client_address_total={"header": 0}).severity is Severity.NOTE


def test_what_the_watch_over_front_proxies_has_found_comes_with_its_remedy() -> None:
    found = _behind("forwarded", front_proxy_finding={"shared-address": 1.0})
    assert found.severity is Severity.WARNING
    assert found.what == "all clients share one address"
    assert "they share one limit" in found.remedy


@pytest.mark.parametrize(("count", "severity"), [(0, Severity.OK), (7, Severity.NOTE)])
def test_proxy_headers_that_were_refused(count: int, severity: Severity) -> None:
    found = _behind("proxy-protocol", proxy_header_defects_total={"signature": count})
    assert found.severity is severity


def test_too_few_open_files_for_the_connections() -> None:
    [found] = _of(list(judge(body(process_max_fds=256.0), CONFIG)), DESCRIPTORS)
    assert found.severity is Severity.WARNING
    assert "the service may open 256 files" in found.what


@pytest.mark.parametrize("most", [None, "absent"])
def test_without_a_limit_on_open_files_there_is_nothing_to_say(most: str | None) -> None:
    told = body(process_max_fds=None)
    if most == "absent":
        del told["figures"]["process_max_fds"]
    assert _of(list(judge(told, CONFIG)), DESCRIPTORS) == []


def test_a_service_that_says_nothing_is_a_note_with_why() -> None:
    [found] = judge_silence("There is no socket /run/x: the service does not run.")
    assert found.severity is Severity.NOTE
    assert found.remedy == "There is no socket /run/x: the service does not run"
