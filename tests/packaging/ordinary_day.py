"""What Prometheus has of a service on an ordinary day, as input of `promtool test rules`.

A series is one value every 15 s. Something may change after ten minutes: a gauge has another value from then on, a
counter grows by another step, and None stands for a series that is no longer there.
"""

from collections.abc import Mapping
from dataclasses import dataclass

INTERVAL_SECONDS = 15
BEFORE = 40
"""Values until the change, which is after ten minutes: twice what any rule looks back."""
AFTER = 80
"""Values from then on, twenty minutes: longer than any rule looks back and waits."""
CHANGE_SECONDS = BEFORE * INTERVAL_SECONDS
MEBIBYTE = 1_048_576
DAY = 86_400


@dataclass(frozen=True, slots=True)
class Counter:
    """A counter that grows by so much in 15 s."""

    step: float
    ahead: float = 0.0
    """By how much it jumps at the change."""


Course = float | Counter
Day = Mapping[str, Course]

ORDINARY: Day = {
    "up": 1,
    "dohproxy_kernel_bans_connected": 1,
    "dohproxy_store_up": 1,
    'up{job="dohproxy-probe",instance="https://doh.example.net/dns-query"}': 1,
    'probe_success{job="dohproxy-probe",instance="https://doh.example.net/dns-query"}': 1,
    **{
        f'dohproxy_alert_active{{alert="{kind}"}}': 0
        for kind in (
            *("listed", "request_flood", "connection_flood", "handshake_flood", "malformed_flood", "random_names"),
            *("budget_exhausted", "failing", "members_suffer", "bound_full", "upstream", "way_out", "certificate"),
            "disk",
        )
    },
    # In 15 s: 60 replies, of which one in fifty is SERVFAIL, and one answer in thirty is old.
    'dohproxy_replies_total{rcode="NOERROR"}': Counter(50),
    'dohproxy_replies_total{rcode="NXDOMAIN"}': Counter(9),
    'dohproxy_replies_total{rcode="SERVFAIL"}': Counter(1.2),
    'dohproxy_requests_total{frontend="http2",method="GET",outcome="cached",status="200"}': Counter(40),
    'dohproxy_requests_total{frontend="http1",method="POST",outcome="forwarded",status="200"}': Counter(18),
    'dohproxy_requests_total{frontend="http2",method="GET",outcome="stale",status="200"}': Counter(2),
    # An upstream is asked half of what it may be; another is told to be silent and is paused; a third has broken zones.
    'dohproxy_upstream_budget_left{upstream="ns0"}': 25,
    'dohproxy_upstream_budget_burst{upstream="ns0"}': 40,
    'dohproxy_upstream_budget_share{upstream="ns0"}': 1,
    'dohproxy_upstream_alert{upstream="ns2",signal="silent",words="upstream ns2 says nothing"}': 1,
    'dohproxy_upstream_paused{upstream="ns0"}': 0,
    'dohproxy_upstream_paused{upstream="ns1"}': 0,
    'dohproxy_upstream_paused{upstream="ns2"}': 1,
    'dohproxy_upstream_alert{upstream="ns1",signal="servfail_zone",words="upstream ns1 cannot resolve one zone"}': 0,
    # Short-lived certificates are renewed with some days left.
    "dohproxy_certificate_not_after_seconds": 3 * DAY,
    "dohproxy_last_reload_success": 1,
    "dohproxy_suffix_list_last_reload_success": 1,
    'dohproxy_blocklist_last_load_success{blocklist="ads"}': 1,
    "dohproxy_member_file_last_read_success": 1,
    'dohproxy_bans{source="rule"}': 120,
    'dohproxy_bans{source="command"}': 3,
    'dohproxy_max_bans{source="rule"}': 4_096,
    'dohproxy_max_bans{source="command"}': 1_024,
    'dohproxy_penalty_table_fill_ratio{prefix="client"}': 0.02,
    'dohproxy_penalty_table_fill_ratio{prefix="network"}': 0.01,
    'dohproxy_domain_table_fill{table="misses"}': 0.1,
    'dohproxy_domain_table_fill{table="failures"}': 0.05,
    "dohproxy_blocks_by_hand": 12,
    "dohproxy_max_blocks_by_hand": 10_000,
    'dohproxy_blocklist_names{blocklist="ads"}': 180_000,
    'dohproxy_blocklist_max_names{blocklist="ads"}': 2_000_000,
    "dohproxy_alert_messages_waiting": 0,
    "dohproxy_max_alert_messages_waiting": 32,
    "dohproxy_management_connections": 2,
    "dohproxy_max_management_connections": 32,
    "dohproxy_console_viewers": 1,
    "dohproxy_max_console_viewers": 5,
    "dohproxy_console_sessions": 1,
    "dohproxy_max_console_sessions": 10,
    "dohproxy_state_bytes": 400_000,
    "dohproxy_state_max_bytes": 8_000_000,
    "dohproxy_connections": 900,
    "dohproxy_max_connections": 4_096,
    "process_open_fds": 960,
    "process_max_fds": 4_400,
    "process_resident_memory_bytes": 210 * MEBIBYTE,
    "dohproxy_max_memory_bytes": 384 * MEBIBYTE,
    "dohproxy_time_seconds": Counter(INTERVAL_SECONDS),
}


def input_series(changes: Mapping[str, Course | None] | None = None) -> list[dict[str, str]]:
    """Return the series of a day on which this changes after ten minutes; what is not of every day begins there."""
    changes = changes or {}
    made = [_values(course, changes.get(series, course)) for series, course in ORDINARY.items()]
    new = {series: course for series, course in changes.items() if series not in ORDINARY}
    values = dict(zip(ORDINARY, made, strict=True)) | {series: _values(None, course) for series, course in new.items()}
    return [{"series": _with_target(series), "values": text} for series, text in values.items()]


def _values(before: Course | None, after: Course | None) -> str:
    if isinstance(before, Counter):
        assert isinstance(after, Counter)
        at_change = before.step * BEFORE + after.ahead
        return f"0+{before.step}x{BEFORE - 1} {at_change}+{after.step}x{AFTER}"
    assert not isinstance(after, Counter)
    return f"{_constant(before, BEFORE - 1)} {_constant(after, AFTER)}"


def _constant(value: float | None, more: int) -> str:
    return f"_x{more + 1}" if value is None else f"{value}+0x{more}"


def _with_target(series: str) -> str:
    """Add the labels that Prometheus adds, where the series has none of its own."""
    if "job=" in series:
        return series
    name, _, labels = series.partition("{")
    return f'{name}{{job="dohproxy",instance="doh.example.net:9153",{labels or "}"}'
