"""Commands and a service for tests of what carries commands out."""

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from dohproxy.adoption import Changes, compare
from dohproxy.cache import Cache
from dohproxy.config import BansConfig, Config, UpstreamAddress, UpstreamConfig
from dohproxy.config.keys import Choice, Integer, Switch, Text
from dohproxy.control.command import Argument, Command, Refused, Result
from dohproxy.control.console.sessions import Sessions
from dohproxy.control.explain import Owners
from dohproxy.control.hand_limits import HandLimits
from dohproxy.control.log_level import LogLevel
from dohproxy.control.members import MemberBook
from dohproxy.control.service import OtherNodes, Service
from dohproxy.doh.path_token import Invitation
from dohproxy.jobs.blocklist_watch import BlocklistStatistics
from dohproxy.jobs.blocks_file import HandBlocks
from dohproxy.jobs.recent_alerts import RecentAlert, RecentAlerts
from dohproxy.observability.tallies import Tallies, Tally
from dohproxy.observability.top_talkers import TopTalkers, Watch
from dohproxy.observability.upstream_alerts import Alert
from dohproxy.outcomes import Client
from dohproxy.policy.announcements import Announcements
from dohproxy.policy.bans import Bans
from dohproxy.policy.blocklists.lists import Blocklists
from dohproxy.policy.identity import Identities
from dohproxy.policy.mode import ModeNow, ModeSwitch, Reaction
from dohproxy.upstream.resolvers import Resolvers
from tests.fakes.walk import client_of


class FakeService:
    """A service with nothing behind it: what it is told to say, and what it was asked."""

    def __init__(self) -> None:
        self.config = Config((UpstreamConfig("ns0", UpstreamAddress("udp", "192.0.2.53", 53)),))
        self.told: list[Alert] = []
        self.changes: Changes | Exception = Changes(self.config, (), ())
        self.figures: dict[str, Any] = {}
        self.is_ending = False
        self.book: MemberBook | None = None
        self.walked: Owners | None = None
        self.asked: Resolvers | None = None
        self.kept: list[Cache] = []
        self.flushed: list[Callable[[bytes], bool]] = []
        self.identities = Identities(bytes(32))
        self.banned = Bans(BansConfig(), self.identities.prefix_hashes)
        self.applied: list[str] = []
        self.told_of_lists: list[BlocklistStatistics] = []
        self.blocks = HandBlocks(None, Blocklists(), lambda: None)
        self.mode = ModeSwitch(Reaction.MEMBERS_FIRST)
        self.announcements = Announcements()
        self.hand_limits = HandLimits(self.alter, time.monotonic)
        self.watch: Watch | None = None
        self.top_talkers = TopTalkers(self, lambda qname: qname)
        self.tallied = Tallies()
        self.sessions = Sessions()
        self.peers: OtherNodes | None = None
        self.recent = RecentAlerts()
        self.log_level = LogLevel("info", asyncio.get_running_loop().call_later, self.applied.append)

    def be_watched(self, watch: Watch | None) -> None:
        """Tell somebody else, or nobody."""
        self.watch = watch

    async def alter(self, make: Callable[[Config], Config]) -> Changes:
        """Hold to what is made of the configuration."""
        changes = compare(self.config, make(self.config))
        self.config = changes.config
        return changes

    async def reload(self) -> Changes:
        """Return or raise what the test has laid down."""
        if isinstance(self.changes, Exception):
            raise self.changes
        return self.changes

    def recent_alerts(self) -> Sequence[RecentAlert]:
        """Return what the test has noted."""
        return self.recent.newest_first()

    def tallies(self) -> Sequence[Tally]:
        """Return what the test has counted."""
        return self.tallied.all()

    def owners(self) -> Owners:
        """Return those that the test has laid down."""
        assert self.walked is not None
        return self.walked

    def blocklists(self) -> Sequence[BlocklistStatistics]:
        """Return what the test has laid down."""
        return self.told_of_lists

    def look_at(self, packed: bytes) -> Client:
        """Return a client that nobody knows."""
        return client_of(packed, (1, 2), (3, 4))

    def apply_mode(self) -> ModeNow:
        """Return what holds; there is no walk that could be told."""
        return self.mode.now(time.monotonic())

    def member_book(self) -> MemberBook | None:
        """Return what the test has laid down."""
        return self.book

    def invitation(self, token: str) -> Invitation:
        """Return a URL and a stamp that nobody could use."""
        return Invitation(f"https://doh.example.net/dns-query/{token}", (f"sdns://{token}",))

    def resolvers(self) -> Resolvers:
        """Return those that the test has laid down."""
        assert self.asked is not None
        return self.asked

    def bans(self) -> Bans:
        """Return nobody, unless the test bans somebody."""
        return self.banned

    def caches(self) -> Sequence[Cache]:
        """Return those that the test has laid down."""
        return self.kept

    def forget_shared(self, is_meant: Callable[[bytes], bool]) -> None:
        """Note it."""
        self.flushed.append(is_meant)

    def drain(self) -> int:
        """Note it."""
        self.is_ending = True
        return 3

    def waiting(self) -> Sequence[str]:
        """Return none."""
        return ()

    async def snapshot(self) -> dict[str, Any]:
        """Return the figures that the test has laid down."""
        return self.figures

    def alerts(self) -> Sequence[Alert]:
        """Return the alerts that the test has laid down."""
        return self.told


class Handlers:
    """Handlers that note what they are given."""

    def __init__(self) -> None:
        self.given: list[Mapping[str, Any]] = []
        self.may_end = asyncio.Event()
        self.may_end.set()

    async def change(self, _: Any, values: Mapping[str, Any]) -> Result:
        """Note it, and end when the test allows it."""
        self.given.append(values)
        await self.may_end.wait()
        return Result("It was changed.", {"count": len(self.given)}, ["a line"])

    async def look(self, _: Any, values: Mapping[str, Any]) -> Result:
        """Find something that is not well."""
        return Result("It is not well.", dict(values), is_well=False)

    async def watch(self, _: Any, __: Mapping[str, Any]) -> Result:
        """Look until the test allows it to end, and note when it has."""
        self.given.append({"looks": True})
        try:
            await self.may_end.wait()
        finally:
            self.given.append({"looks": False})
        return Result("It was seen.")

    async def refuse(self, _: Any, __: Mapping[str, Any]) -> Result:
        """Refuse."""
        raise Refused("It cannot be done: do something else.", ["why"])

    async def fail(self, _: Any, __: Mapping[str, Any]) -> Result:
        """Have a bug."""
        raise ZeroDivisionError("secret.example.net")


ARGUMENTS = (
    Argument("name", Text(lambda text, _: text.lower(), "a name", "ns0", "The name."), is_required=True),
    Argument("minutes", Integer(1, 60, "minutes", "How long."), is_option=True, default=5),
    Argument("mode", Choice(("a", "b"), "How."), is_option=True),
    Argument("below", Switch("All below too."), is_option=True, default=False),
)


def commands(handlers: Handlers) -> tuple[Command[Service], ...]:
    """Return one command of each kind."""
    return (
        Command("change", "Change it.", "everything", handlers.change, ARGUMENTS),
        Command("look at it", "Look.", "", handlers.look, ARGUMENTS[1:]),
        Command("refuse", "Refuse.", "nothing", handlers.refuse),
        Command("fail", "Fail.", "nothing", handlers.fail),
        Command("take long", "Take long.", "little", handlers.look, is_exclusive=False),
        Command("watch", "Look for a while.", "", handlers.watch, is_noted=True, ends_with_asker=True),
    )
