"""Every fuzz target: the invariant it holds, and the seeds it begins with.

`launch`, the tests and what OSS-Fuzz builds all read this table. Seeds are made here, by the project's own builders, so
that nothing foreign is needed; the public corpora are an addition, and go through every target, whatever it is for.
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

    def load(self) -> Callable[[bytes], object]:
        """Return the function that raises where the invariant does not hold."""
        found: Callable[[bytes], object] = getattr(importlib.import_module(self.module), self.function)
        return found


TARGETS: Final = {
    "answer": Target("fuzz.invariants", "check_answer", seeds.answers),
    "query": Target("fuzz.invariants", "check_query", seeds.queries),
    "reply": Target("fuzz.invariants", "check_reply", seeds.answers),
    "ttls": Target("fuzz.edns_invariants", "check_ttls", seeds.answers),
    "opt": Target("fuzz.edns_invariants", "check_opt", seeds.opts),
    "cookies": Target("fuzz.edns_invariants", "check_cookies", seeds.cookies),
    "snapshot": Target("fuzz.snapshot_invariants", "check_snapshot", seeds.snapshots),
    "http1": Target("fuzz.http1_invariants", "check_http1", seeds.http1),
    "http2": Target("fuzz.http2_invariants", "check_frames", seeds.http2),
    "base64url": Target("fuzz.request_invariants", "check_base64url", seeds.base64url),
    "media": Target("fuzz.request_invariants", "check_media", seeds.media),
    "request": Target("fuzz.request_invariants", "check_request", seeds.requests),
    "metrics": Target("fuzz.metrics_invariants", "check_metrics", seeds.metrics),
    "proxy_header": Target("fuzz.client_invariants", "check_proxy_header", seeds.proxy_headers),
    "forwarded": Target("fuzz.client_invariants", "check_forwarded", seeds.forwarded),
    "stamp": Target("fuzz.text_invariants", "check_stamp", seeds.stamps),
    "configuration": Target("fuzz.text_invariants", "check_configuration", seeds.configurations),
    "resolv_conf": Target("fuzz.text_invariants", "check_resolv_conf", seeds.resolv_confs),
    "suffix_list": Target("fuzz.text_invariants", "check_suffix_list", seeds.suffix_lists),
}
