"""What the public pages are made of: all that the service says of itself at one moment, and nothing else."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from dohproxy.config import AboutConfig, Config
from dohproxy.pages.day import Counts
from dohproxy.pages.incidents import Incident, Level


class Announcement(Protocol):
    """What the operators let everybody know."""

    @property
    def number(self) -> int:
        """What it is known by."""

    @property
    def text(self) -> str:
        """What they say."""

    @property
    def since(self) -> float:
        """Unix seconds."""

    @property
    def until(self) -> float | None:
        """Unix seconds; None or infinity: until it is taken back."""


@dataclass(frozen=True, slots=True)
class WithheldList:
    """A list of names, or clients, that are not answered."""

    text: str
    """What clients are told, which is public."""
    reason: str
    """A value of `blocklist.reason`."""
    names: int
    networks: int
    until: float | None
    """Unix seconds of its last day; None if it has none."""


@dataclass(frozen=True, slots=True)
class Restriction:
    """Whom the service is for now."""

    members_only: bool = False
    members_first: bool = False
    """Strangers' answers are used for longer than members'."""
    until: float | None = None
    """Unix seconds at which it ends by itself; None if there is no such moment."""


@dataclass(frozen=True, slots=True)
class Facts:
    """All of it. Instants are Unix seconds."""

    host: str
    url: str
    """Of the DoH resource."""
    about: AboutConfig
    at: float
    level: Level
    level_since: float
    incidents: Sequence[Incident]
    """The one that began last first."""
    restriction: Restriction
    quarters: Sequence[Counts | None]
    """Of the last day, the oldest first."""
    withheld: Sequence[WithheldList]
    by_hand: int
    """Names that those on duty withhold one by one."""
    announcements: Sequence[Announcement] = ()
    keeps_addresses: bool = False
    """The addresses of some clients are written to a file, or the names that were asked: never both together."""

    @property
    def origin(self) -> str:
        """Where the pages are, without their path: they share host and port with the DoH resource."""
        return "/".join(self.url.split("/", 3)[:3])

    @property
    def day(self) -> Counts:
        """All quarters added up."""
        return sum((one for one in self.quarters if one is not None), Counts())

    def names_withheld(self) -> Mapping[str, int]:
        """Return how many names are withheld, by reason."""
        found = {"law": 0, "operator": self.by_hand, "harm": 0, "requested": 0}
        for one in self.withheld:
            found[one.reason] += one.names
        return found


@dataclass(frozen=True, slots=True)
class Place:
    """Where a page stands, and with which addresses it names the others."""

    links: Mapping[str, str]
    """By kind and language, as `status.fr`; "status.json" too."""
    stale_after: float | None = None
    """Unix seconds from which on a copy is not to be believed; None on the service's own host, where none is old."""
    renewed_seconds: int = 0
    """Of a copy: between two renewals."""


def keeps_addresses(config: Config) -> bool:
    """Tell whether addresses of clients, or names that were asked for, are written to a file."""
    return config.bans.log_file is not None or config.cache.snapshot_file is not None
