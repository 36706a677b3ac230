"""What an upstream cannot stand of what we add to a query, told to the operator."""

from collections.abc import Mapping
from typing import Final

import structlog

from dohproxy.config.additions import ADDITION_NAMES, Addition
from dohproxy.observability.figures import UPSTREAM, Label, Unit, gauge, label_of
from dohproxy.upstream.statistics import ResolverStatistics, UpstreamStatistics
from dohproxy.upstream.workarounds.trial import SILENCE
from dohproxy.upstream.workarounds.workarounds import LeftOut


def words(upstream: UpstreamStatistics, one: LeftOut) -> str:
    """Return a sentence about one addition."""
    way = "over TCP or TLS" if one.over_stream else "over UDP"
    what = "is silent" if one.how == SILENCE else f"says {one.how}"
    return f"upstream {upstream.name} cannot stand {ADDITION_NAMES[one.addition]}: {way} it {what}, and answers without"


def all_words(resolver: ResolverStatistics) -> tuple[str, ...]:
    """Return a sentence for each thing that is left out."""
    return tuple(words(upstream, one) for upstream in resolver.upstreams for one in upstream.left_out)


def _left_out(resolver: ResolverStatistics) -> Mapping[tuple[str, str, str], float]:
    return {
        (upstream.name, one.addition, "stream" if one.over_stream else "udp"): 1.0
        for upstream in resolver.upstreams
        for one in upstream.left_out
    }


LEFT_OUT_FIGURE: Final = gauge(
    "upstream_left_out",
    "1 for what is left out of queries to an upstream, as it was found not to stand it.",
    _left_out,
    UPSTREAM,
    label_of("addition", Addition),
    Label("transport", ("udp", "stream")),
    unit=Unit.SWITCH,
)


class WorkaroundWatch:
    """Logs what begins to be left out and what is added again, once each."""

    def __init__(self) -> None:
        self._known: set[tuple[str, str, bool]] = set()
        self._log = structlog.get_logger("dohproxy.upstreams")

    def poll(self, resolver: ResolverStatistics) -> None:
        """Compare with the last look."""
        current: set[tuple[str, str, bool]] = set()
        for upstream in resolver.upstreams:
            for one in upstream.left_out:
                place = (upstream.name, str(one.addition), one.over_stream)
                current.add(place)
                if place not in self._known:
                    remedy = f'it is left out and tried again each day; leave_out = ["{one.addition}"] spares that'
                    self._log.warning("upstream cannot stand it", says=words(upstream, one), remedy=remedy)
        for name, addition, _ in sorted(self._known - current):
            self._log.info("upstream stands it again", upstream=name, addition=addition)
        self._known = current
