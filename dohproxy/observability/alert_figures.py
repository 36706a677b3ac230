"""The figures of alerts and the messages about them, of the networks that ask, and of whom the service is for."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Final

from dohproxy.observability.alert_messages import MessageCounts, MessageResult
from dohproxy.observability.detectors.board import ActiveAlert
from dohproxy.observability.detectors.judgement import AlertKind
from dohproxy.observability.figures import FigureGroup, Label, Together, Unit, counter, gauge, label_of
from dohproxy.policy.mode import Mode, ModeNow
from dohproxy.policy.visitors import VisitorStatistics


def _by_kind(active: Sequence[ActiveAlert]) -> Mapping[str, float]:
    on = Counter(alert.kind for alert in active)
    return {kind.value: float(on[kind]) for kind in AlertKind}


def _by_result(counts: MessageCounts) -> Mapping[str, float]:
    return {result.value: float(counts.results.get(result, 0)) for result in MessageResult}


ALERT_FIGURES: Final = FigureGroup[Sequence[ActiveAlert]](
    "Alerts",
    (
        gauge(
            "alert_active",
            "How many alerts of a kind have begun and not ended.",
            _by_kind,
            label_of("alert", AlertKind),
            together=Together.MOST,
        ),
    ),
)
MESSAGE_FIGURES: Final = FigureGroup[MessageCounts](
    "Messages about alerts",
    (
        counter(
            "alert_messages",
            "Messages about alerts, by what became of them.",
            _by_result,
            label_of("result", MessageResult),
        ),
        gauge("alert_messages_waiting", "Messages that wait to be sent.", lambda counts: counts.waiting),
        gauge("max_alert_messages_waiting", "Messages that may wait to be sent.", lambda counts: counts.most_waiting),
    ),
)
VISITOR_FIGURES: Final = FigureGroup[VisitorStatistics](
    "Networks that ask",
    (
        gauge(
            "networks",
            "Different networks (/24, /56) that asked, estimated; none of them is kept.",
            lambda visitors: {"hour": visitors.hour, "day": visitors.day},
            Label("within", ("hour", "day")),
            together=Together.MOST,
        ),
        counter(
            "new_networks",
            "Networks that had not been seen for a day, estimated.",
            lambda visitors: visitors.newcomers,
        ),
    ),
)
MODE_FIGURES: Final = FigureGroup[ModeNow](
    "Mode",
    (
        gauge(
            "mode",
            "1 for whom the service is for now.",
            lambda now: {mode.value: float(mode is now.mode) for mode in Mode},
            label_of("mode", Mode),
            unit=Unit.SWITCH,
        ),
        gauge(
            "strangers_spared",
            "1 while strangers get older answers and renew none, as a public list has us.",
            lambda now: float(now.spares_strangers),
            unit=Unit.SWITCH,
        ),
    ),
)
