"""What is wrong with an upstream, in words that a volunteer on duty understands at three in the morning."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

import structlog

from dohproxy.observability.figures import UPSTREAM, Figure, Label, Unit, gauge
from dohproxy.upstream.health.signals import HARMLESS, Signal
from dohproxy.upstream.statistics import ResolverStatistics

PATH: Final = "path"
"""What stands in the place of a signal when it is the way out that is gone."""

WORDS: Final = {
    Signal.SILENT: "says nothing: it is down, or drops our packets",
    Signal.UNREACHABLE: "cannot be reached: nobody listens there",
    Signal.NO_ROUTE: "cannot be reached from here: this machine has no route there, or a firewall in the way",
    Signal.UDP_SILENT: "is throttling us: it drops queries over UDP and answers over TCP",
    Signal.TRUNCATED: "is throttling us: it cuts answers that are small",
    Signal.REFUSED: "refuses every name: it has banned us, or never counted this address among its clients",
    Signal.PROHIBITED: "has banned us and says so: REFUSED, prohibited",
    Signal.REFUSED_SOME: "refuses some questions, as a policy; nothing is wrong",
    Signal.SERVFAIL_ZONE: "cannot resolve one zone; nothing is wrong with it",
    Signal.SERVFAIL: "is in trouble: it fails for many names",
    Signal.PROTOCOL: "does not understand us any more: it calls every query an error",
    Signal.CERTIFICATE: "has a certificate that is refused",
    Signal.HANDSHAKE: "speaks no TLS that can be used",
    Signal.CONNECT: "lets none of our connections come to be: a firewall, too many of them, or it is down",
    Signal.CUT: "closes connections under our queries: too many of them",
    Signal.TLS_FLOOD: "sends TLS records without end that bring no answer: it is broken, or means harm",
    Signal.UNANSWERED: "leaves many questions unanswered: it drops some, or the servers of those names are silent",
    Signal.SERVFAIL_SOME: "fails for many names: it is in trouble, or the servers of those names are",
    Signal.FEW_ANSWERS: "closes connections after few answers: how many questions it gets is for"
    " upstream.new_connections_per_second to say",
}
REMEDIES: Final = {
    Signal.UDP_SILENT: "half the budget is used, more by and by; ask its operators what they are happy with",
    Signal.TRUNCATED: "half the budget is used, more by and by; ask its operators what they are happy with",
    Signal.REFUSED: "it is left alone, with a probe now and then; write to its operators",
    Signal.PROHIBITED: "it is left alone, with a probe now and then; write to its operators",
    Signal.PROTOCOL: "it is left alone, with a probe now and then; look at `dohproxy upstream test`",
    Signal.SERVFAIL: "others are preferred, and half the budget is used",
    Signal.CERTIFICATE: "nothing is sent to it; look at `dohproxy upstream test`, at its #name, ca_file and pins, and"
    " at this machine's clock",
    Signal.HANDSHAKE: "nothing is sent to it; look at `dohproxy upstream test`",
    Signal.CONNECT: "we knock less often",
    Signal.CUT: "a single connection is kept",
    Signal.TLS_FLOOD: "such connections are closed, and after three a single one is kept; ask its operators, or use"
    " another upstream",
}


@dataclass(frozen=True, slots=True)
class Alert:
    """One thing that is wrong."""

    upstream: str
    """Its name; "" for all of them."""
    signal: str
    since: float
    """Seconds of the epoch."""
    what: str
    """A sentence with the name and without the time: it stays the same as long as the trouble does."""
    is_harmless: bool

    @property
    def words(self) -> str:
        """The sentence with name and time."""
        return f"{self.what}, since {_time(self.since)}"


def alerts(resolver: ResolverStatistics, now: float, wall: float) -> tuple[Alert, ...]:
    """Return what is wrong; `now` is monotonic and `wall` is the same instant in seconds of the epoch."""
    if resolver.path_gone_since is not None:
        since = wall - (now - resolver.path_gone_since)
        what = "no upstream can be reached: it is our way out that is gone, and not any of them"
        return (Alert("", PATH, since, what, is_harmless=False),)
    found = []
    for upstream in resolver.upstreams:
        if upstream.finding is not None:
            signal = upstream.finding.signal
            since = wall - (now - upstream.finding.since)
            more = f": {upstream.finding.words}" if upstream.finding.words else ""
            what = f"upstream {upstream.name} {WORDS[signal]}{more}"
            found.append(Alert(upstream.name, signal, since, what, is_harmless=signal in HARMLESS))
    return tuple(found)


def _alerts_in_words(resolver: ResolverStatistics) -> Mapping[tuple[str, str, str], float]:
    # Without the time, which would make a series of its own for each trouble, and two if it falls between seconds.
    return {
        (alert.upstream, alert.signal, alert.what): float(not alert.is_harmless) for alert in alerts(resolver, 0.0, 0.0)
    }


ALERT_FIGURE: Final = gauge(
    "upstream_alert",
    "1 while an upstream throttles or bans us or is gone, 0 for what need not be its fault; in words.",
    _alerts_in_words,
    UPSTREAM,
    Label("signal", (*(signal.value for signal in Signal), PATH)),
    Label(
        "words", source="`signal`, with what OpenSSL says of a certificate it refuses; one at a time for an upstream"
    ),
    unit=Unit.SWITCH,
)
PATH_FIGURE: Final[Figure[ResolverStatistics]] = gauge(
    "path_gone",
    "1 while no upstream can be reached by any way.",
    lambda resolver: resolver.path_gone_since is not None,
    unit=Unit.SWITCH,
)


class UpstreamWatch:
    """Logs what begins and what ends, once each."""

    def __init__(self) -> None:
        self._known: dict[str, str] = {}
        self._log = structlog.get_logger("dohproxy.upstreams")

    def poll(self, resolver: ResolverStatistics, now: float, wall: float) -> None:
        """Compare with the last look."""
        current = {alert.upstream: alert for alert in alerts(resolver, now, wall) if not alert.is_harmless}
        # While nobody can be reached nothing is known of any of them, so none is well again.
        for name in () if "" in current else sorted(self._known.keys() - current.keys()):
            self._log.info("upstream is well again" if name else "upstreams are within reach again", upstream=name)
            del self._known[name]
        for name, alert in current.items():
            if self._known.get(name) != alert.signal:
                remedy = REMEDIES.get(Signal(alert.signal)) if name else None
                self._log.warning("upstream trouble", says=alert.words, **({"remedy": remedy} if remedy else {}))
            self._known[name] = alert.signal


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
