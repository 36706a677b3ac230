"""The figures of bans: who is kept out, and for what."""

from typing import Final

from dohproxy.observability.figures import FigureGroup, Label, Together, Unit, counter, gauge, label_of
from dohproxy.outcomes import OUTCOMES
from dohproxy.policy.bans import BanStatistics
from dohproxy.policy.limits import Width
from dohproxy.policy.penalties import Offence, PenaltyStatistics

_SOURCE: Final = Label("source", ("rule", "command"))
_PREFIX: Final = label_of("prefix", Width)
_REASON: Final = Label("reason", (*Offence, *(row.label for row in OUTCOMES.values() if row.weight)))

BAN_FIGURES: Final = FigureGroup[BanStatistics](
    "Bans",
    (
        gauge(
            "bans",
            "Networks that are banned; by command: or let in.",
            lambda bans: {"rule": bans.by_rule, "command": bans.by_command},
            _SOURCE,
            together=Together.MOST,
        ),
        gauge(
            "max_bans",
            "Networks that may be at once.",
            lambda bans: {"rule": bans.max_by_rule, "command": bans.max_by_command},
            _SOURCE,
            together=Together.MOST,
        ),
        counter("bans_begun", "Bans by rule, by the width of the network.", lambda bans: bans.made, _PREFIX),
        counter("bans_displaced", "Bans that ended early to make room for others.", lambda bans: bans.displaced),
        counter(
            "bans_shadow", "Connections and requests let in because bans are only tried.", lambda bans: bans.in_shadow
        ),
    ),
)

PENALTY_FIGURES: Final = FigureGroup[PenaltyStatistics](
    "Points, of which too many ban",
    (
        counter("penalty_points", "Points charged to clients, by what for.", lambda charged: charged.points, _REASON),
        gauge(
            "penalty_table_fill_ratio",
            "Share of a table's slots in use.",
            lambda charged: charged.fills,
            _PREFIX,
            unit=Unit.RATIO,
        ),
    ),
)
