"""The running service as the commands see it: what they may look at and do."""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from dohproxy.adoption import Changes
from dohproxy.cache import Cache
from dohproxy.config import Config
from dohproxy.control.console.sessions import Sessions
from dohproxy.control.explain import Owners
from dohproxy.control.hand_limits import HandLimits
from dohproxy.control.log_level import LogLevel
from dohproxy.control.members import MemberBook
from dohproxy.doh.path_token import Invitation
from dohproxy.jobs.blocklist_watch import BlocklistStatistics
from dohproxy.jobs.blocks_file import HandBlocks
from dohproxy.jobs.recent_alerts import RecentAlert
from dohproxy.observability.tallies import Tally
from dohproxy.observability.top_talkers import TopTalkers
from dohproxy.observability.upstream_alerts import Alert
from dohproxy.outcomes import Client
from dohproxy.policy.announcements import Announcements
from dohproxy.policy.bans import Bans
from dohproxy.policy.mode import ModeNow, ModeSwitch
from dohproxy.sharing.roster import NodeNow
from dohproxy.upstream.resolvers import Resolvers

if TYPE_CHECKING:
    from dohproxy.sharing.remote_commands import CarryOut, RemoteAnswer


class OtherNodes(Protocol):
    """The other nodes, as commands see them."""

    @property
    def name(self) -> str:
        """What this node is called."""

    @property
    def configuration(self) -> str:
        """What this node's configuration is known by."""

    @property
    def store_in_words(self) -> str:
        """What is wrong with the store, in words that follow "the store "; "" if nothing is."""

    def nodes(self) -> Sequence[NodeNow]:
        """Return all nodes that were there within a day, this one among them, by name."""

    def names_there(self) -> Sequence[str]:
        """Return the names of those that are there."""

    def serve(self, carry_out: "CarryOut") -> None:
        """Have this carry out what other nodes are given for this one, from now on."""

    async def ask(self, name: str, path: str, arguments: Mapping[str, Any], seconds: float) -> "RemoteAnswer":
        """Have another node carry out a command, and return what it says within so many seconds."""

    async def forget(self, name: str) -> bool:
        """Count on a node no longer; False if the store could not be told."""


class Service(Protocol):
    """What a handler is given; the runtime is one."""

    config: Config
    """What holds now."""
    hand_limits: HandLimits
    """What holds over the file."""
    log_level: LogLevel
    blocks: HandBlocks
    """What was said of names by hand."""
    mode: ModeSwitch
    announcements: Announcements
    """What everybody is told who looks."""
    top_talkers: TopTalkers
    """Who asks most, while somebody looks."""
    sessions: Sessions
    """Who has logged in to the operator's page."""
    peers: OtherNodes | None
    """The other nodes; None where nothing is shared."""

    @property
    def is_ending(self) -> bool:
        """Whether nothing new is taken any more."""

    async def reload(self) -> Changes:
        """Read the configuration again and adopt it, wholly or not at all. Raises ConfigError."""

    def tallies(self) -> Sequence[Tally]:
        """Return how requests have ended since the start."""

    def owners(self) -> Owners:
        """Return those whom the walk asks."""

    def blocklists(self) -> Sequence[BlocklistStatistics]:
        """Return what there is to say of each list."""

    def look_at(self, packed: bytes) -> Client:
        """Return the client at a packed address, and remember nothing."""

    def apply_mode(self) -> ModeNow:
        """Let the walk know what holds now, and return it."""

    def resolvers(self) -> Resolvers:
        """Return the general upstreams and those of all routes."""

    def bans(self) -> Bans:
        """Return who is kept out."""

    def caches(self) -> Sequence[Cache]:
        """Return the general cache and those of all routes."""

    def forget_shared(self, is_meant: Callable[[bytes], bool]) -> None:
        """Take no answer about a name (wire, lower case) that is meant from another node, if it was stored before
        now."""

    def member_book(self) -> MemberBook | None:
        """Return the list of members with URLs of their own, None if no file for it is configured."""

    def invitation(self, token: str) -> Invitation:
        """Return what a member with this token is given."""

    def drain(self) -> int:
        """Begin the end, in a moment: nothing new is taken and what is under way finished. Return how many connections
        of clients there are."""

    def waiting(self) -> Sequence[str]:
        """Return the keys that differ from the file until a restart."""

    async def snapshot(self) -> dict[str, Any]:
        """Return its state in words and figures, nearly ready for JSON; see docs/commands.md."""

    def alerts(self) -> Sequence[Alert]:
        """Return what is wrong."""

    def recent_alerts(self) -> Sequence[RecentAlert]:
        """Return the last that began, the newest first."""
