"""The figures of what nodes tell each other."""

from dataclasses import dataclass
from typing import Final

from dohproxy.observability.figures import FigureGroup, Together, counter, gauge, label_of
from dohproxy.policy.visitors import VisitorStatistics
from dohproxy.sharing.events import Kind, Unread


@dataclass(frozen=True, slots=True)
class MindStatistics:
    """What was told and learnt."""

    said: dict[Kind, int]
    learnt: dict[Kind, int]
    not_taken: int
    """What others have said and cannot hold here."""
    unread: dict[Unread, int]
    held: int
    """Subjects of which it is known what was said last."""
    most_held: int
    waiting: int
    """What others have not been told yet."""
    left_out: int
    """What is never told, as there was no room for it."""
    told_anew: int
    """What the stream had lost."""


@dataclass(frozen=True, slots=True)
class PeerStatistics:
    """One node among others, at one instant."""

    mind: MindStatistics
    there: int
    """Nodes that are there, this one among them."""
    most: int
    differing: int
    """Of these, those that run another configuration."""
    visitors: VisitorStatistics
    """The networks that have asked at any of them."""


_KIND: Final = label_of("kind", Kind)

PEER_FIGURES: Final = FigureGroup[PeerStatistics](
    "Other nodes",
    (
        gauge("nodes_there", "Nodes that are there, this one among them.",
              lambda peers: peers.there, together=Together.MOST),
        gauge("max_nodes", "Nodes of which it is known whether they are.",
              lambda peers: peers.most, together=Together.MOST),
        gauge(
            "nodes_otherwise_configured",
            "Nodes that are there and run another configuration.",
            lambda peers: peers.differing, together=Together.MOST),
        counter("events_said", "What others were told that was said here, by what about.",
                lambda peers: peers.mind.said, _KIND),
        counter("events_learnt", "What others have said and holds here, by what about.",
                lambda peers: peers.mind.learnt, _KIND),
        counter("events_not_taken", "What others have said and cannot hold here.", lambda peers: peers.mind.not_taken),
        counter("events_unread", "What was found in the stream and left alone, by why.",
                lambda peers: peers.mind.unread, label_of("why", Unread)),
        gauge("event_subjects", "Subjects of which it is known what was said last.",
              lambda peers: peers.mind.held, together=Together.MOST),
        gauge("max_event_subjects", "Subjects of which it may be.",
              lambda peers: peers.mind.most_held, together=Together.MOST),
        gauge("events_waiting", "What others have not been told yet.", lambda peers: peers.mind.waiting),
        counter("events_left_out", "What others are never told, as there was no room.",
                lambda peers: peers.mind.left_out),
        counter("events_told_anew", "What the store had lost and was told again.", lambda peers: peers.mind.told_anew),
        gauge("all_networks_hour", "Networks that asked at any node within this hour or the one before.",
              lambda peers: peers.visitors.hour, together=Together.MOST),
        gauge("all_networks_day", "Networks that asked at any node today, which begins at midnight UTC.",
              lambda peers: peers.visitors.day, together=Together.MOST),
    ),
    condition="if `[nodes]` is configured",
)  # fmt: skip
