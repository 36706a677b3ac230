"""The alert rules: each fires when it should and on no ordinary day, and what they name exists."""

import json
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from dohproxy.observability.detectors.judgement import AlertKind
from dohproxy.upstream.health.signals import HARMLESS, Signal
from tests.conftest import FindProgram
from tests.packaging.alert_rules import FILE, SAMPLES, Rule, names_in, rules, what_does_not_exist
from tests.packaging.ordinary_day import (
    CHANGE_SECONDS,
    DAY,
    INTERVAL_SECONDS,
    MEBIBYTE,
    ORDINARY,
    Counter,
    Course,
    input_series,
)

RULES = {rule.alert: rule for rule in rules()}
TEXT = " ".join(rule.expression for rule in RULES.values())
MINUTE = 60


@dataclass(frozen=True, slots=True)
class Case:
    """What changes on a day, and which alert that brings."""

    alert: str
    changes: Mapping[str, Course | None]
    what: str = ""
    within_seconds: int = MINUTE


def told(kind: AlertKind) -> Mapping[str, Course]:
    """What the service's own alert changes."""
    return {f'dohproxy_alert_active{{alert="{kind}"}}': 1}


def trouble(signal: str, value: float = 1) -> Mapping[str, Course]:
    """What an upstream's trouble changes."""
    words = f"upstream ns1 shows {signal}"
    return {f'dohproxy_upstream_alert{{upstream="ns1",signal="{signal}",words="{words}"}}': value}


REPLIES = 'dohproxy_replies_total{rcode="SERVFAIL"}'
STALE = 'dohproxy_requests_total{frontend="http2",method="GET",outcome="stale",status="200"}'
CASES = [
    Case("DohproxyDown", {"up": 0}, "it cannot be read"),
    Case("DohproxyDown", {"up": None}, "Prometheus does not know it any more", within_seconds=6 * MINUTE),
    Case(
        "DohproxyProbeFailing",
        {'probe_success{job="dohproxy-probe",instance="https://doh.example.net/dns-query"}': 0},
        "no answer",
    ),
    Case(
        "DohproxyProbeFailing",
        {
            'probe_success{job="dohproxy-probe",instance="https://doh.example.net/dns-query"}': None,
            'up{job="dohproxy-probe",instance="https://doh.example.net/dns-query"}': 0,
        },
        "nobody who asks",
    ),
    Case("DohproxyFailing", told(AlertKind.FAILING)),
    Case("DohproxyMembersSuffer", told(AlertKind.MEMBERS_SUFFER)),
    Case("DohproxyServfailShare", {REPLIES: Counter(6)}, within_seconds=16 * MINUTE),
    Case("DohproxyStaleShare", {STALE: Counter(12)}, within_seconds=16 * MINUTE),
    *(Case("DohproxyUpstreamThrottles", trouble(signal), signal) for signal in ("udp_silent", "truncated", "cut")),
    *(Case("DohproxyUpstreamBans", trouble(signal), signal) for signal in ("refused", "prohibited")),
    *(
        Case("DohproxyUpstreamGone", trouble(signal), signal)
        for signal in ("silent", "unreachable", "no_route", "connect")
    ),
    *(
        Case("DohproxyUpstreamBroken", trouble(signal), signal)
        for signal in ("servfail", "protocol", "certificate", "handshake", "tls_flood")
    ),
    Case("DohproxyWayOutGone", told(AlertKind.WAY_OUT)),
    Case("DohproxyBudgetNearlySpent", {'dohproxy_upstream_budget_left{upstream="ns0"}': 4}, within_seconds=8 * MINUTE),
    Case("DohproxyBudgetSpent", told(AlertKind.BUDGET_EXHAUSTED)),
    Case("DohproxyListed", told(AlertKind.LISTED)),
    Case("DohproxyRequestFlood", told(AlertKind.REQUEST_FLOOD)),
    Case("DohproxyConnectionFlood", told(AlertKind.CONNECTION_FLOOD)),
    Case("DohproxyHandshakeFlood", told(AlertKind.HANDSHAKE_FLOOD)),
    Case("DohproxyMalformedFlood", told(AlertKind.MALFORMED_FLOOD)),
    Case("DohproxyRandomNames", told(AlertKind.RANDOM_NAMES)),
    Case("DohproxyCertificate", told(AlertKind.CERTIFICATE)),
    Case("DohproxyCertificateExpires", {"dohproxy_certificate_not_after_seconds": DAY}),
    Case("DohproxyReloadFailed", {"dohproxy_last_reload_success": 0}),
    *(
        Case("DohproxyFileRefused", {series: 0}, series, within_seconds=6 * MINUTE)
        for series in (
            "dohproxy_suffix_list_last_reload_success",
            'dohproxy_blocklist_last_load_success{blocklist="ads"}',
            "dohproxy_member_file_last_read_success",
        )
    ),
    Case("DohproxyBoundFull", told(AlertKind.BOUND_FULL)),
    *(
        Case("DohproxyTableFull", {series: value}, series, within_seconds=2 * MINUTE)
        for series, value in (
            ('dohproxy_bans{source="rule"}', 4_000),
            ('dohproxy_bans{source="command"}', 1_000),
            ('dohproxy_penalty_table_fill_ratio{prefix="network"}', 0.96),
            ('dohproxy_domain_table_fill{table="failures"}', 0.97),
            ("dohproxy_blocks_by_hand", 9_999),
            ('dohproxy_blocklist_names{blocklist="ads"}', 1_990_000),
            ("dohproxy_alert_messages_waiting", 32),
            ("dohproxy_management_connections", 31),
            ("dohproxy_state_bytes", 7_900_000),
        )
    ),
    Case(
        "DohproxyTableFull",
        {
            'dohproxy_penalty_table_fill_ratio{prefix="client"}': 0.99,
            'dohproxy_penalty_table_fill_ratio{prefix="network"}': 0.99,
            'dohproxy_domain_table_fill{table="misses"}': 0.99,
            'dohproxy_bans{source="rule"}': 4_096,
        },
        "several at once",
        within_seconds=2 * MINUTE,
    ),
    Case("DohproxyDescriptors", {"process_open_fds": 900 + 290}, within_seconds=2 * MINUTE),
    Case("DohproxyMemory", {"process_resident_memory_bytes": 340 * MEBIBYTE}, within_seconds=6 * MINUTE),
    Case("DohproxyDisk", told(AlertKind.DISK)),
    Case("DohproxyKernelBans", {"dohproxy_kernel_bans_connected": 0}, within_seconds=11 * MINUTE),
    Case("DohproxyStore", {"dohproxy_store_up": 0}, within_seconds=2 * MINUTE),
    Case("DohproxyClock", {"dohproxy_time_seconds": Counter(15, ahead=30)}, "it is fast", within_seconds=2 * MINUTE),
    Case("DohproxyClock", {"dohproxy_time_seconds": Counter(15, ahead=-30)}, "it is slow", within_seconds=2 * MINUTE),
]
ORDINARY_THINGS = {
    "an evening on which twice as many ask": {
        'dohproxy_requests_total{frontend="http2",method="GET",outcome="cached",status="200"}': Counter(80),
        'dohproxy_replies_total{rcode="NOERROR"}': Counter(100),
        'dohproxy_upstream_budget_left{upstream="ns0"}': 12,
        "dohproxy_connections": 2_000,
        "process_open_fds": 2_070,
    },
    "a night in which hardly anybody asks, and what is asked fails": {
        REPLIES: Counter(1),
        'dohproxy_replies_total{rcode="NOERROR"}': Counter(0.1),
        'dohproxy_replies_total{rcode="NXDOMAIN"}': Counter(0),
        STALE: Counter(1),
        'dohproxy_requests_total{frontend="http2",method="GET",outcome="cached",status="200"}': Counter(0.1),
        'dohproxy_requests_total{frontend="http1",method="POST",outcome="forwarded",status="200"}': Counter(0.1),
    },
    "an upstream that is throttled, and asked little": {
        'dohproxy_upstream_budget_share{upstream="ns0"}': 0.25,
        'dohproxy_upstream_budget_left{upstream="ns0"}': 10,
    },
    "all connections taken, for which files are kept": {"dohproxy_connections": 4_096, "process_open_fds": 4_160},
    "suspicions that a client could have caused": {
        **trouble("unanswered", 0), **trouble("servfail_some", 0), **trouble("few_answers", 0)
    },
    "a clock that is a second off": {"dohproxy_time_seconds": Counter(15, ahead=1)},
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Promtool:
    """Runs rules over series."""

    program: str
    directory: Path

    def run(self, changes: Mapping[str, Course | None], expected: Mapping[int, set[str]]) -> str:
        """Return what is wrong: at each second these alerts have to fire, and no other."""
        queries = [
            {
                "expr": 'count by (alertname) (ALERTS{alertstate="firing"}) > bool 0',
                "eval_time": f"{seconds}s",
                "exp_samples": [{"labels": f'{{alertname="{alert}"}}', "value": 1} for alert in sorted(alerts)],
            }
            for seconds, alerts in expected.items()
        ]
        every = f"{INTERVAL_SECONDS}s"
        test = {"interval": every, "input_series": input_series(changes), "promql_expr_test": queries}
        file = self.directory / "test.json"
        file.write_text(
            json.dumps({"rule_files": [str(FILE)], "evaluation_interval": every, "tests": [test]}), encoding="utf-8"
        )
        run = subprocess.run(
            [self.program, "test", "rules", str(file)], capture_output=True, text=True, check=False, timeout=60
        )
        return "" if run.returncode == 0 else run.stdout + run.stderr


@pytest.fixture
def promtool(find_program: FindProgram, tmp_path: Path) -> Promtool:
    """Prometheus' own tool."""
    return Promtool(find_program("promtool", "prometheus"), tmp_path)


def test_promtool_finds_nothing_wrong_with_the_rules(promtool: Promtool) -> None:
    run = subprocess.run(
        [promtool.program, "check", "rules", "--lint-fatal", str(FILE)], capture_output=True, text=True, check=False
    )
    assert (run.returncode, run.stderr) == (0, "")
    assert f"{len(RULES)} rules found" in run.stdout


def test_promtool_finds_nothing_wrong_with_the_configuration_beside_them(promtool: Promtool) -> None:
    shutil.copy(FILE, promtool.directory / "dohproxy-alerts.yml")
    file = shutil.copy(FILE.with_name("prometheus.yml"), promtool.directory)
    run = subprocess.run([promtool.program, "check", "config", file], capture_output=True, text=True, check=False)
    assert (run.returncode, run.stderr) == (0, "")
    assert f"{len(RULES)} rules found" in run.stdout


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.alert} {case.what}".strip())
def test_it_fires_within_its_time_and_alone_and_not_before(promtool: Promtool, case: Case) -> None:
    last_ordinary = CHANGE_SECONDS - INTERVAL_SECONDS
    wait = RULES[case.alert].wait_seconds
    expected: dict[int, set[str]] = {
        last_ordinary: set(),
        CHANGE_SECONDS + case.within_seconds: {case.alert},
    }
    if wait:
        expected[CHANGE_SECONDS + wait - INTERVAL_SECONDS] = set()
    assert promtool.run(case.changes, expected) == ""


@pytest.mark.parametrize("changes", ORDINARY_THINGS.values(), ids=ORDINARY_THINGS)
def test_nothing_fires_for_what_is_ordinary(promtool: Promtool, changes: Mapping[str, Course]) -> None:
    minutes = range(0, CHANGE_SECONDS + 20 * MINUTE, MINUTE)
    assert promtool.run(changes, {second: set() for second in minutes}) == ""


def test_a_test_that_expects_too_little_fails(promtool: Promtool) -> None:
    # The oracle: it tells what fires and was not expected.
    assert "DohproxyDown" in promtool.run({"up": 0}, {CHANGE_SECONDS + MINUTE: set()})
    assert promtool.run({}, {CHANGE_SECONDS: {"DohproxyDown"}})


# --- What they name ---


def test_every_rule_is_tried() -> None:
    assert {case.alert for case in CASES} == RULES.keys()
    assert len(rules()) == len(RULES) >= 28


@pytest.mark.parametrize("rule", RULES.values(), ids=RULES)
def test_a_rule_names_what_exists_and_stands_on_the_ordinary_day(rule: Rule) -> None:
    assert what_does_not_exist(rule.expression) == []
    known = {series.partition("{")[0] for series in ORDINARY}
    assert names_in(rule.expression) <= known
    assert names_in(rule.expression) or rule.alert in ("DohproxyDown", "DohproxyProbeFailing")


@pytest.mark.parametrize(
    "expression",
    [
        "dohproxy_absent > 0",
        'dohproxy_alert_active{alert="flood"} > 0',
        'dohproxy_alert_active{kind="listed"} > 0',
        'dohproxy_upstream_alert{signal=~"silent|gone"}',
    ],
)
def test_what_does_not_exist_is_found(expression: str) -> None:
    assert what_does_not_exist(expression)


@pytest.mark.parametrize("rule", RULES.values(), ids=RULES)
def test_a_summary_is_a_sentence_for_whoever_is_woken(rule: Rule) -> None:
    assert rule.summary.endswith(".")
    assert 50 <= len(rule.summary) + 30 * rule.summary.count("$labels.words") <= 200
    assert "$labels.instance" in rule.summary or "$labels.upstream" in rule.summary or "$labels.words" in rule.summary
    assert rule.severity in ("critical", "warning")


def test_every_alert_of_the_service_has_a_rule() -> None:
    missing = {kind.value for kind in AlertKind if f'alert="{kind}"' not in TEXT}
    assert missing == {AlertKind.UPSTREAM}  # Told apart by what is wrong with it.


def test_every_signal_of_an_upstream_has_one_rule_and_what_is_harmless_has_none() -> None:
    told_by = [signal for rule in RULES.values() for signal in _signals(rule)]
    assert sorted(told_by) == sorted(signal.value for signal in Signal if signal not in HARMLESS)


def _signals(rule: Rule) -> list[str]:
    _, _, rest = rule.expression.partition('signal=~"')
    return rest.partition('"')[0].split("|") if rest else []


BOUNDS_THAT_ARE_NOT_WATCHED = {
    # The service watches these itself, and calls them `bound_full`.
    "dohproxy_connection_table_fill": "tables",
    "dohproxy_limit_table_fill": "tables",
    "dohproxy_seniority_table_fill": "tables",
    "dohproxy_max_held_bytes": "held_bytes",
    "dohproxy_max_handshakes": "handshakes",
    "dohproxy_max_slots": "connections, handshakes, misses",
    "dohproxy_max_turns": "turns",
    "dohproxy_max_fetches": "fetches",
    "dohproxy_service_limit_fill": "service_rate",
    "dohproxy_new_connections_fill": "new_connections",
    "dohproxy_new_stranger_connections_fill": "stranger_connections",
    "dohproxy_max_new_stranger_connections_per_second": "stranger_connections",
    # What is full here is in use.
    "dohproxy_cache_max_bytes": "a cache",
    "dohproxy_cache_max_failures": "a cache",
    "dohproxy_cache_max_known_tlds": "a cache",
    "dohproxy_cache_snapshot_max_entries": "of a cache",
    "dohproxy_route_cache_max_bytes": "a cache",
    "dohproxy_max_request_cache_bytes": "a cache",
    "dohproxy_max_known_paths": "a cache",
    "dohproxy_max_member_networks": "a cache: who came last stays",
    "dohproxy_max_budgets_gone": "a cache: who went last stays",
    # Questions wait where it is full, and that is told.
    "dohproxy_upstream_max_in_flight": "a wait, DohproxyBudgetSpent",
    "dohproxy_upstream_max_connections": "a wait, DohproxyBudgetSpent",
    "dohproxy_max_client_connections": "one client's own",
    # Who does not fit into the kernel is turned away by the service, as before: dohproxy_kernel_bans_left_out.
    "dohproxy_max_kernel_bans": "what is left over is closed by the service",
    # Who asks the store for more than this is told at once that it is busy, and goes on alone.
    "dohproxy_max_store_commands_under_way": "goes on without",
    "dohproxy_max_store_under_way_bytes": "goes on without",
    "dohproxy_max_shared_cache_writes_under_way": "the next node asks for itself",
    "dohproxy_max_shared_cache_write_bytes": "the next node asks for itself",
    # What only remembers that something is over makes room, and what does not fit is counted and holds at its node.
    "dohproxy_max_event_subjects": "what is over makes room",
    "dohproxy_max_nodes": "as many as may be configured",
    # Only the report is the poorer for it, and it tells so.
    "dohproxy_report_sums_max_bytes": "the oldest hours go",
    "dohproxy_max_page_bytes": "one page's own: what does not fit is not shown",
    "dohproxy_max_page_incidents": "the oldest incidents go",
    "dohproxy_max_console_viewers": "told to whom there is no room for, and no client is kept waiting",
    "dohproxy_max_console_sessions": "who logs in ends the oldest",
    "dohproxy_suffix_list_max_age_seconds": "an age; DohproxyFileRefused tells of the file",
}
"""Bounds without a rule, and why."""


def test_every_bound_has_a_rule_or_a_reason() -> None:
    bounds = {name for name in SAMPLES if "max_" in name or "_fill" in name}
    assert bounds - names_in(TEXT) == BOUNDS_THAT_ARE_NOT_WATCHED.keys()
