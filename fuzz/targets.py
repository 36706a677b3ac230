"""Every fuzz target: the invariant it holds, and the seeds it begins with.

`launch`, the tests and what OSS-Fuzz builds all read this table. Seeds are made by the project's own builders, and so
are the packets of `tests.data.packets`, which go through every target, whatever it is for, as foreign corpora do where
there are any.
"""

import importlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from fuzz import seeds


@dataclass(frozen=True, slots=True)
class Target:
    """One invariant."""

    module: str
    function: str
    seeds: Callable[[], Sequence[bytes]]
    modules: tuple[str, ...]
    """Modules of dohproxy that it is there to try, and of which `fuzz.figures` tells the coverage."""

    def load(self) -> Callable[[bytes], object]:
        """Return the function that raises where the invariant does not hold."""
        found: Callable[[bytes], object] = getattr(importlib.import_module(self.module), self.function)
        return found


TARGETS: Final = {
    "answer": Target(
        "fuzz.invariants",
        "check_answer",
        seeds.answers,
        ("wire/answer", "wire/matching", "wire/rdata", "wire/chain", "wire/spelled", "wire/name", "wire/relocate"),
    ),
    "query": Target(
        "fuzz.invariants", "check_query", seeds.queries, ("wire/query", "wire/name", "wire/edns", "wire/upstream_query")
    ),
    "reply": Target("fuzz.invariants", "check_reply", seeds.answers, ("wire/reply", "wire/edns")),
    "ttls": Target("fuzz.edns_invariants", "check_ttls", seeds.answers, ("wire/reply",)),
    "opt": Target("fuzz.edns_invariants", "check_opt", seeds.opts, ("wire/edns",)),
    "cookies": Target(
        "fuzz.edns_invariants",
        "check_cookies",
        seeds.cookies,
        ("upstream/spoofing/cookies", "upstream/spoofing/echo_support"),
    ),
    "snapshot": Target(
        "fuzz.snapshot_invariants", "check_snapshot", seeds.snapshots, ("cache/snapshot", "cache/restarts")
    ),
    "backup": Target(
        "fuzz.backup_invariants",
        "check_backup",
        seeds.backups,
        tuple(f"tools/backup/{name}" for name in ("archive", "manifest", "relocation")),
    ),
    "http1": Target(
        "fuzz.http1_invariants",
        "check_http1",
        seeds.http1,
        ("http1/connection", "http1/head", "http1/chunks", "frontends/http1/connection"),
    ),
    "http2": Target(
        "fuzz.http2_invariants",
        "check_frames",
        seeds.http2,
        (
            "http2/connection",
            "http2/blocks",
            "http2/fields",
            "http2/flow",
            "http2/frames",
            "http2/hpack",
            "http2/stream",
        ),
    ),
    "dot": Target(
        "fuzz.dot_invariants", "check_dot", seeds.dot, ("dot/framing", "dot/refusal", "frontends/dot/connection")
    ),
    "base64url": Target("fuzz.request_invariants", "check_base64url", seeds.base64url, ("doh/base64url",)),
    "media": Target("fuzz.request_invariants", "check_media", seeds.media, ("doh/media",)),
    "request": Target(
        "fuzz.request_invariants",
        "check_request",
        seeds.requests,
        ("doh/request", "doh/path_token", "doh/dialects", "doh/media", "doh/base64url"),
    ),
    "metrics": Target(
        "fuzz.metrics_invariants",
        "check_metrics",
        seeds.metrics,
        ("observability/tallies",),
    ),
    "proxy_header": Target(
        "fuzz.client_invariants", "check_proxy_header", seeds.proxy_headers, ("policy/proxy_protocol",)
    ),
    "forwarded": Target("fuzz.client_invariants", "check_forwarded", seeds.forwarded, ("policy/forwarded",)),
    "stamp": Target("fuzz.text_invariants", "check_stamp", seeds.stamps, ("doh/stamp", "doh/stamp_codec")),
    "listing": Target(
        "fuzz.text_invariants",
        "check_listing",
        seeds.listings,
        ("tools/listing/entries", "tools/listing/audit", "tools/listing/stamp_audit", "tools/listing/doors"),
    ),
    "configuration": Target(
        "fuzz.text_invariants",
        "check_configuration",
        seeds.configurations,
        (
            "config/reader",
            "config/keys",
            "config/lines",
            "config/rules",
            "config/addresses",
            "config/advice",
            "config/fit",
            "config/shares",
        ),
    ),
    "resolv_conf": Target("fuzz.text_invariants", "check_resolv_conf", seeds.resolv_confs, ("config/resolv_conf",)),
    "blocklist": Target(
        "fuzz.text_invariants",
        "check_blocklist",
        seeds.blocklists,
        tuple(
            f"policy/blocklists/{name}" for name in ("formats", "lines", "rpz", "reading", "name_set", "network_set")
        ),
    ),
    "nft_commands": Target(
        "fuzz.text_invariants",
        "check_nft_commands",
        seeds.nft_commands,
        ("nft/protocol", "nft/drops", "nft/ruleset"),
    ),
    "suffix_list": Target("fuzz.text_invariants", "check_suffix_list", seeds.suffix_lists, ("policy/suffixes",)),
}
