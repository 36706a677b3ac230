"""What nodes tell each other of their counters, and what the detectors of floods and lists look at: all of them added.

Only counters add up: requests by how they ended, connections, names that were refused. How full a bound is, how an
upstream is and how members fare is each node's own affair. Networks do not add up either, as one may ask at two nodes:
they are counted together (`policy/shared_visitors.py`).
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from dohproxy.observability.detectors.reading import Reading
from dohproxy.outcomes import Reason
from dohproxy.policy.visitors import VisitorStatistics

_REQUESTS: Final = "requests."
_CLOSED: Final = "closed."
_REASONS: Final = {reason.name.lower(): reason for reason in Reason}


def counters_of(reading: Reading) -> dict[str, int]:
    """Return the counters of a reading that add up, by name; those that are 0 are left out."""
    found = {f"{_REQUESTS}{reason.name.lower()}": count for reason, count in reading.requests.items()}
    found |= {f"{_CLOSED}{label}": count for label, count in reading.closed.items()}
    found |= {
        "failed": reading.failed,
        "stub_requests": reading.stub_requests,
        "stub_probes": reading.stub_probes,
        "accepted": reading.accepted,
        "domain_refusals": reading.domain_refusals,
    }
    return {name: count for name, count in found.items() if count}


def widened(reading: Reading, others: Mapping[str, int], visitors: VisitorStatistics) -> Reading:
    """Return a reading with what other nodes have counted, and the networks that have asked at any of them. What a
    later release counts beside is left out."""
    requests, closed = dict(reading.requests), dict(reading.closed)
    for name, count in others.items():
        if name.startswith(_REQUESTS):
            reason = _REASONS.get(name.removeprefix(_REQUESTS))
            if reason is not None:
                requests[reason] = requests.get(reason, 0) + count
        elif name.startswith(_CLOSED):
            label = name.removeprefix(_CLOSED)
            closed[label] = closed.get(label, 0) + count
    return replace(
        reading,
        requests=requests,
        closed=closed,
        failed=reading.failed + others.get("failed", 0),
        stub_requests=reading.stub_requests + others.get("stub_requests", 0),
        stub_probes=reading.stub_probes + others.get("stub_probes", 0),
        accepted=reading.accepted + others.get("accepted", 0),
        domain_refusals=reading.domain_refusals + others.get("domain_refusals", 0),
        newcomers=visitors.newcomers,
        networks=visitors.hour,
    )
