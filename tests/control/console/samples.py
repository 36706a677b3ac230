"""A snapshot of a service as the operator's page needs it."""

from typing import Any

FIGURES: dict[str, Any] = {
    "dohproxy_last_reload_success": 1,
    "dohproxy_cache_entries": {"positive": 1_200, "negative": 34},
    "dohproxy_requests_total": {
        "http2": {"GET": {"cached": {"200": 30}, "client_limit": {"429": 4}}},
        "http1": {"POST": {"cached": {"200": 10}, "forwarded": {"200": 6}}},
    },
    "dohproxy_request_seconds": {
        "cached": {"count": 40, "sum": 0.1, "buckets": {"0.001": 39, "0.1": 40, "+Inf": 40}},
        "upstream": {"count": 6, "sum": 0.5, "buckets": {"0.001": 0, "0.1": 6, "+Inf": 6}},
    },
    "dohproxy_connections": 12,
    "dohproxy_bans": {"rule": 3, "command": 1},
    "dohproxy_blocks_by_hand": 2,
    "dohproxy_blocklist_names": {"ads": 1_000},
    "dohproxy_blocklist_hits_total": {"ads": 7},
    "dohproxy_slots_held": {"connections": {"member": 1, "settled": 2, "stranger": 9}},
    "dohproxy_max_slots": {"connections": 2_000},
    "dohproxy_member_questions_total": 5,
    "dohproxy_member_failures_total": 1,
    "dohproxy_build_info": {"0.1.0": {"source": 1}},
    "dohproxy_upstream_paused": {"ns0": 0},
    "dohproxy_upstream_sends_total": {"ns0": {"answered": 6, "timed_out": 2}},
    "dohproxy_upstream_in_flight": {"ns0": 1},
    "dohproxy_upstream_max_in_flight": {"ns0": 20},
    "dohproxy_upstream_connections": {"ns0": 2},
    "dohproxy_upstream_max_connections": {"ns0": 4},
    "dohproxy_upstream_budget_left": {"ns0": 39.5},
    "dohproxy_upstream_budget_burst": {"ns0": 40},
    "dohproxy_upstream_budget_per_second": {"ns0": 20.0},
    "dohproxy_upstream_budget_share": {"ns0": 1.0},
    "dohproxy_upstream_score_seconds": {"ns0": 0.012},
}


def snapshot(**figures: Any) -> dict[str, Any]:
    """Return one of a service that is well, but for these figures."""
    return {
        "figures": FIGURES | {f"dohproxy_{name}": value for name, value in figures.items()},
        "alerts": [],
        "mode": {"mode": "open", "source": "default", "seconds_left": None},
        "by_hand": [],
        "left_out": [],
        "upstreams": [{"name": "ns0", "breaker": "closed", "paused_since": None}],
        "blocklists": [{"name": "ads", "problem": ""}],
        "rules": [
            {"key": "rules.bans", "mode": "enforce", "since": None, "shadowed_since": 0, "would_have": ""},
            {
                "key": "rules.client_limit",
                "mode": "shadow",
                "since": None,
                "shadowed_since": 3,
                "would_have": "refused",
            },
        ],
        "reload": {"waiting": []},
    }
