"""The figures of other nodes: every field of their owner is shown."""

from dataclasses import fields

from dohproxy.policy.visitors import VisitorStatistics
from dohproxy.sharing.events import Kind, Unread
from dohproxy.sharing.mind_figures import PEER_FIGURES, MindStatistics, PeerStatistics


def test_each_number_is_shown_as_it_is() -> None:
    mind = MindStatistics(
        said=dict.fromkeys(Kind, 1),
        learnt=dict.fromkeys(Kind, 2),
        not_taken=3,
        unread=dict.fromkeys(Unread, 4),
        held=5,
        most_held=6,
        waiting=7,
        left_out=8,
        told_anew=9,
    )
    peers = PeerStatistics(mind, there=10, most=11, differing=12, visitors=VisitorStatistics(13.0, 14.0, 15.0))
    found = {figure.name: figure.read(peers) for figure in PEER_FIGURES.figures}
    numbers = {max(value.values()) if isinstance(value, dict) else value for value in found.values()}
    assert numbers == {*range(1, 15)}
    assert len(found) == len(fields(mind)) + 3 + 2
