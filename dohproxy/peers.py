"""The other nodes, wired: what this one tells them and learns from them, and who of its owners hears of it."""

import hashlib
import random
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import dohproxy
from dohproxy.adoption import values_of
from dohproxy.builders import clock
from dohproxy.config import Config
from dohproxy.config.overlay import without_overlay
from dohproxy.control.hand_limits import HandLimits
from dohproxy.control.service import Service
from dohproxy.control.shared_words import LimitWords, MemberWords
from dohproxy.jobs.member_file import MemberFile
from dohproxy.observability.detectors.reading import Reading
from dohproxy.policy.ban_table import Ban, BanSource
from dohproxy.policy.shared_visitors import SharedVisitors
from dohproxy.server import Server
from dohproxy.sharing.alert_claims import AlertClaims
from dohproxy.sharing.event_stream import EventStream
from dohproxy.sharing.hand_words import AnnouncementWords, ModeWords, NameWords, NetworkWords
from dohproxy.sharing.ledger import Ledger
from dohproxy.sharing.mind_figures import PEER_FIGURES, PeerStatistics
from dohproxy.sharing.one_mind import MOST_IN_STREAM, OneMind
from dohproxy.sharing.presence import Described, Presence
from dohproxy.sharing.remote_commands import CarryOut, RemoteAnswer, RemoteCommands
from dohproxy.sharing.roster import MOST_NODES, NodeNow
from dohproxy.sharing.rule_bans import MOST_IN_STREAM as MOST_BANS_IN_STREAM
from dohproxy.sharing.rule_bans import RuleBans
from dohproxy.sharing.shared_readings import counters_of, widened
from dohproxy.sharing.sharing import Sharing
from dohproxy.sharing.sketches import Sketches

OWN_SECTIONS: Final = frozenset({"server", "tls", "dot", "metrics", "admin", "log", "nodes"})
"""Sections that differ from node to node on purpose: addresses, names, files of certificates."""
_MARK_BYTES: Final = 6


class Peers:
    """The other nodes, as the rest of this one sees them."""

    def __init__(
        self,
        sharing: Sharing,
        service: Service,
        server: Server,
        limits: HandLimits,
        members: MemberFile,
    ) -> None:
        """`service` is what commands are given, which has most of what is said by hand; `sharing` runs what is made
        here."""
        self._sharing = sharing
        self._service = service
        self._marked: tuple[Config, str] | None = None
        store, keys, instance = sharing.store, sharing.keys, sharing.instance.hex()
        draw = random.SystemRandom()
        stream = EventStream(store, keys, "events", MOST_IN_STREAM, time.time)
        rule_stream = EventStream(store, keys, "bans", MOST_BANS_IN_STREAM, time.time)
        ledger = Ledger(instance)
        bans = server.core.bans
        self.rule_bans = RuleBans(bans, rule_stream, ledger, instance, clock, time.time, draw.random)
        self.mind = OneMind(
            store,
            stream,
            ledger,
            (
                NetworkWords(bans),
                NameWords(service.blocks),
                ModeWords(service.mode, service.apply_mode),
                AnnouncementWords(service.announcements, time.time),
                MemberWords(members, self._take_back),
                LimitWords(limits, self._take_back),
            ),
            self.rule_bans,
            rule_stream,
            instance,
            clock,
            time.time,
            draw.random,
        )
        self.visitors = SharedVisitors(lambda: draw.getrandbits(64), time.time())
        server.visitors.also = self.visitors.note
        self.sketches = Sketches(store, keys, self.visitors, server.identities.forget, clock, time.time)
        self._counters: Mapping[str, int] = {}
        self.presence = Presence(store, keys, sharing.name, instance, self._describe, clock, time.time)
        self.commands = RemoteCommands(store, keys, sharing.name, clock, time.time)
        self.claims = AlertClaims(store, keys, instance)
        sharing.forget.append(self.presence.forget)
        sharing.parts += [self.mind, self.sketches, self.presence, self.commands]
        note_ban = server.note_ban

        def note(ban: Ban, now: float) -> None:
            note_ban(ban, now)
            if self.rule_bans.note(ban, now) or ban.source is BanSource.COMMAND:
                self.mind.wake()

        server.note_ban = note
        server.core.figures.add(PEER_FIGURES, self.statistics)

    def _take_back(self, kind: Any, key: Any) -> None:
        self.mind.take_back(kind, key)

    # --- For commands ---

    @property
    def name(self) -> str:
        """What this node is called."""
        return self._sharing.name

    @property
    def configuration(self) -> str:
        """What this node's configuration is known by, without what differs from node to node on purpose and what is
        held by hand."""
        config = self._service.config
        if self._marked is None or self._marked[0] is not config:
            self._marked = config, mark_of(config)
        return self._marked[1]

    @property
    def is_store_up(self) -> bool:
        """Whether the others can be reached."""
        return self._sharing.store.is_up

    @property
    def store_in_words(self) -> str:
        """What is wrong with the store."""
        return self._sharing.store.why_down

    def nodes(self) -> Sequence[NodeNow]:
        """Return all nodes that were there within a day."""
        return self.presence.roster.all(clock())

    def names_there(self) -> Sequence[str]:
        """Return the names of those that are there."""
        return self.presence.roster.there(clock())

    def serve(self, carry_out: CarryOut) -> None:
        """Carry out what other nodes are given for this one, from now on."""
        self.commands.carry_out = carry_out

    async def ask(self, name: str, path: str, arguments: Mapping[str, Any], seconds: float) -> RemoteAnswer:
        """Have another node carry out a command."""
        return await self.commands.ask(name, path, arguments, seconds)

    async def forget(self, name: str) -> bool:
        """Count on a node no longer."""
        return all([await forget(name) for forget in self._sharing.forget])

    # --- For detectors and figures ---

    def widen(self, reading: Reading) -> Reading:
        """Return a reading with what the other nodes have counted; what it has is told to them."""
        self._counters = counters_of(reading)
        return widened(reading, self.presence.roster.others(), self.visitors.statistics())

    def statistics(self) -> PeerStatistics:
        """Return a snapshot."""
        roster, now = self.presence.roster, clock()
        return PeerStatistics(
            mind=self.mind.statistics(),
            there=len(roster.there(now)),
            most=MOST_NODES,
            differing=len(roster.otherwise_configured(self.configuration, now)),
            visitors=self.visitors.statistics(),
        )

    def _describe(self) -> Described:
        return Described(dohproxy.__version__, self.configuration, self.mind.behind, self._counters)


def mark_of(config: Config) -> str:
    """Return what a configuration is known by among nodes."""
    if config.source is not None:
        config = without_overlay(config)
    shared = [
        # Where files lie is each machine's own affair.
        (path, value.name if isinstance(value, Path) else value)
        for path, value in sorted(values_of(config).items())
        if path.partition(".")[0] not in OWN_SECTIONS
    ]
    return hashlib.blake2b(repr(shared).encode(), digest_size=_MARK_BYTES).hexdigest()
