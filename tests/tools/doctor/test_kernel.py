"""Settings of the kernel: each that is too small has its finding, with the command that mends it."""

from dataclasses import replace
from pathlib import Path

import pytest

from dohproxy.config import Config, ConnectionsConfig, ListenAddress, ServerConfig, UpstreamAddress, UpstreamConfig
from dohproxy.tools.doctor.findings import Severity
from dohproxy.tools.doctor.kernel import KernelSeen, judge, see

CONFIG = Config(
    (UpstreamConfig("ns0", UpstreamAddress("udp", "192.0.2.53", 53)),),
    ServerConfig((ListenAddress("tcp", host="192.0.2.1", port=443),)),
    connections=ConnectionsConfig(max_total=10_000),
)
LARGE = {
    "net.core.somaxconn": 4_096,
    "net.ipv4.tcp_max_syn_backlog": 1_024,
    "net.ipv4.tcp_syncookies": 1,
    "net.ipv4.tcp_max_tw_buckets": 65_536,
    "net.netfilter.nf_conntrack_max": 262_144,
    "net.netfilter.nf_conntrack_count": 1_000,
}
WELL = KernelSeen(LARGE, ports=28_232, dropped=0, closed_waiting=100)


def test_a_machine_as_distributions_make_it_is_well() -> None:
    [found] = judge(WELL, CONFIG)
    assert found.severity is Severity.OK


def _with(**settings: int) -> KernelSeen:
    return replace(WELL, settings={**LARGE, **{name.replace("__", "."): value for name, value in settings.items()}})


FAULTS = {
    "a short queue": (_with(net__core__somaxconn=128), Severity.WARNING, "net.core.somaxconn is 128", "=4096"),
    "no cookies": (_with(net__ipv4__tcp_syncookies=0), Severity.WARNING, "forged packets", "tcp_syncookies=1"),
    "few half open": (_with(net__ipv4__tcp_max_syn_backlog=128), Severity.WARNING, "half open", "=1024"),
    "few ports": (replace(WELL, ports=8_000), Severity.WARNING, "8,000 ports", '"32768 60999"'),
    "a small table of connections": (
        _with(net__netfilter__nf_conntrack_max=16_384),
        Severity.WARNING,
        "has room for 16,384",
        "nf_conntrack_max=40000",
    ),
    "a table of connections that is nearly full": (
        _with(net__netfilter__nf_conntrack_count=250_000),
        Severity.FAULT,
        "holds 250,000 of 262,144",
        "tcp dport { 443 } notrack",
    ),
    "many ended connections": (replace(WELL, closed_waiting=60_000), Severity.WARNING, "TIME_WAIT", "=262144"),
}


@pytest.mark.parametrize(("seen", "severity", "words", "remedy"), FAULTS.values(), ids=FAULTS)
def test_what_is_too_small_is_told_with_its_remedy(
    seen: KernelSeen, severity: Severity, words: str, remedy: str
) -> None:
    [found] = judge(seen, CONFIG)
    assert found.severity is severity
    assert words in found.what
    assert remedy in found.remedy


def test_connections_that_found_a_queue_full_are_a_note_beside_the_rest() -> None:
    noted, well = judge(replace(WELL, dropped=1_234), CONFIG)
    assert (noted.severity, well.severity) == (Severity.NOTE, Severity.OK)
    assert "1,234 connections" in noted.what


def test_ports_do_not_matter_where_no_upstream_is_asked_over_udp() -> None:
    upstream = UpstreamConfig("ns0", UpstreamAddress("tls", "192.0.2.53", 853))
    [found] = judge(replace(WELL, ports=100), replace(CONFIG, upstreams=(upstream,)))
    assert found.severity is Severity.OK


def test_a_kernel_that_shows_nothing_is_a_note() -> None:
    [found] = judge(KernelSeen(), CONFIG)
    assert found.severity is Severity.NOTE


def test_without_a_table_of_connections_there_is_nothing_to_say_of_it() -> None:
    settings = {name: value for name, value in LARGE.items() if "conntrack" not in name}
    [found] = judge(replace(WELL, settings=settings), CONFIG)
    assert found.severity is Severity.OK


def _proc(directory: Path, files: dict[str, str]) -> Path:
    for place, text in files.items():
        (directory / place).parent.mkdir(parents=True, exist_ok=True)
        (directory / place).write_text(text, encoding="ascii")
    return directory


def test_what_the_kernel_says_is_read(tmp_path: Path) -> None:
    proc = _proc(
        tmp_path,
        {
            "sys/net/core/somaxconn": "4096\n",
            "sys/net/ipv4/ip_local_port_range": "32768\t60999\n",
            "net/netstat": "TcpExt: SyncookiesSent ListenOverflows\nTcpExt: 1 77\nIpExt: A\nIpExt: 5\n",
            "net/sockstat": "sockets: used 300\nTCP: inuse 5 orphan 0 tw 12 alloc 9 mem 1\nUDP: inuse 2 mem 1\n",
        },
    )
    assert see(proc) == KernelSeen({"net.core.somaxconn": 4_096}, ports=28_232, dropped=77, closed_waiting=12)


@pytest.mark.parametrize("text", ["", "many", "1 2 3"], ids=["nothing", "a word", "three numbers"])
def test_what_cannot_be_read_is_missing(tmp_path: Path, text: str) -> None:
    places = ("sys/net/core/somaxconn", "sys/net/ipv4/ip_local_port_range", "net/netstat", "net/sockstat")
    assert see(_proc(tmp_path, dict.fromkeys(places, text))) == KernelSeen({})


def test_this_machine_can_be_looked_at() -> None:
    assert list(judge(see(), CONFIG))
