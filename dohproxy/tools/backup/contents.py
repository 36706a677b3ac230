"""What a backup may hold: each file of a configuration, how large it may be, and whether the service needs it.

A key of the configuration that names a file stands in one of the three tables here; a test insists on it, so that no
file is forgotten because somebody has added a key.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final

from dohproxy.cache.snapshot import MOST_BYTES as MOST_SNAPSHOT_BYTES
from dohproxy.config import Config
from dohproxy.config.files import MAX_FILE_BYTES
from dohproxy.jobs.blocklist_load import MOST_FILE_BYTES as MOST_LIST_BYTES
from dohproxy.jobs.blocks_file import MOST_BYTES as MOST_BLOCKS_BYTES
from dohproxy.jobs.blocks_file import NAME as BLOCKS_NAME
from dohproxy.jobs.hour_book import MOST_BYTES as MOST_HOURS_BYTES
from dohproxy.jobs.hour_book import NAME as HOURS_NAME
from dohproxy.jobs.state_codec import MOST_BYTES as MOST_STATE_BYTES
from dohproxy.jobs.state_file import NAME as STATE_NAME
from dohproxy.jobs.state_key import KEY_BYTES
from dohproxy.jobs.state_key import NAME as KEY_NAME
from dohproxy.jobs.suffix_watch import MAX_FILE_BYTES as MOST_SUFFIX_BYTES
from dohproxy.policy.members import MOST_BYTES as MOST_MEMBERS_BYTES

CONFIGURATION: Final = "configuration"
"""What stands for the configuration file itself, where others have the key that names them."""
STATE_DIRECTORY: Final = "server.state_directory"
STATE: Final = f"{STATE_DIRECTORY}/{STATE_NAME}"
STATE_KEY: Final = f"{STATE_DIRECTORY}/{KEY_NAME}"
BLOCKS: Final = f"{STATE_DIRECTORY}/{BLOCKS_NAME}"
HOURS: Final = f"{STATE_DIRECTORY}/{HOURS_NAME}"
MEMBERS: Final = "clients.member_file"
SNAPSHOT: Final = "cache.snapshot_file"


class Group(StrEnum):
    """What belongs together, as a person leaves it out or asks for it."""

    CONFIGURATION = "configuration"
    LISTS = "lists"
    TEXTS = "texts"
    AUTHORITIES = "authorities"
    MEMBERS = "members"
    BLOCKS = "blocks"
    STATE = "state"
    HOURS = "hours"
    CACHE = "cache"
    KEYS = "keys"


ON_REQUEST: Final = frozenset((Group.CACHE, Group.KEYS))
"""What is in a backup only if somebody says so: names that were asked for, and secrets."""
LEFT_OUT_BY_CHOICE: Final = tuple(
    group for group in Group if group not in ON_REQUEST and group is not Group.CONFIGURATION
)


@dataclass(frozen=True, slots=True)
class Kind:
    """What is to be known of a file by its key alone."""

    group: Group
    most_bytes: int
    is_needed: bool = True
    """Whether the configuration is refused where it is not there."""


FILES: Final[Mapping[str, Kind]] = {
    # A chain of another key than the one beside it is of no use: so both are there, or neither.
    "tls.certificate": Kind(Group.KEYS, MAX_FILE_BYTES),
    "tls.key": Kind(Group.KEYS, MAX_FILE_BYTES),
    "nodes.key_file": Kind(Group.KEYS, MAX_FILE_BYTES),
    "nodes.password_file": Kind(Group.KEYS, MAX_FILE_BYTES),
    "nodes.ca_file": Kind(Group.AUTHORITIES, MAX_FILE_BYTES),
    "upstream.ca_file": Kind(Group.AUTHORITIES, MAX_FILE_BYTES),
    "clients.member_ca_file": Kind(Group.AUTHORITIES, MAX_FILE_BYTES),
    MEMBERS: Kind(Group.MEMBERS, MOST_MEMBERS_BYTES, is_needed=False),
    "names.public_suffix_file": Kind(Group.LISTS, MOST_SUFFIX_BYTES),
    "blocklist.file": Kind(Group.LISTS, MOST_LIST_BYTES),
    "pages.paragraphs_file": Kind(Group.TEXTS, MAX_FILE_BYTES),
    SNAPSHOT: Kind(Group.CACHE, MOST_SNAPSHOT_BYTES, is_needed=False),
}
"""Keys that name a file which a backup may hold."""
KEPT_IN_STATE_DIRECTORY: Final[Mapping[str, Kind]] = {
    STATE_KEY: Kind(Group.KEYS, KEY_BYTES, is_needed=False),
    STATE: Kind(Group.STATE, MOST_STATE_BYTES, is_needed=False),
    BLOCKS: Kind(Group.BLOCKS, MOST_BLOCKS_BYTES, is_needed=False),
    HOURS: Kind(Group.HOURS, MOST_HOURS_BYTES, is_needed=False),
}
MADE_BY_THE_SERVICE: Final = (STATE_DIRECTORY, "bans.log_file", "pages.folder")
"""Keys that name a place where the service itself writes."""
OF_THE_MACHINE: Final = ("admin.socket", "bans.kernel_socket")
"""Keys that name a socket, which is gone with what has made it."""

_ATTRIBUTES: Final = {"upstream": "upstreams", "route": "routes", "blocklist": "blocklists"}


@dataclass(frozen=True, slots=True)
class Item:
    """One file."""

    key: str
    """As what is said of the configuration names it: "tls.key", "blocklist #2.file"; for files of the state directory
    with their name behind it."""
    place: Path
    """Where it is, absolute."""
    kind: Kind


def contents(file: Path, config: Config) -> tuple[Item, ...]:
    """Return all that a backup of the configuration in `file` may hold, the configuration first."""
    return tuple(_items(file, config))


def _items(file: Path, config: Config) -> Iterator[Item]:
    yield Item(CONFIGURATION, file, Kind(Group.CONFIGURATION, MAX_FILE_BYTES))
    for key, kind in FILES.items():
        for named, place in places(config, key):
            yield Item(named, place, kind)
    directory = config.server.state_directory
    if directory is not None:
        for key, kind in KEPT_IN_STATE_DIRECTORY.items():
            yield Item(key, directory / key.rpartition("/")[2], kind)


def places(config: Config, key: str) -> Iterator[tuple[str, Path]]:
    """Yield what a key names, with its number where there are several sections of its name."""
    section, _, name = key.partition(".")
    found = getattr(config, _ATTRIBUTES.get(section, section))
    several = found if isinstance(found, tuple) else ()
    numbered = [(f"{section} #{number}.{name}", one) for number, one in enumerate(several, start=1)]
    for named, one in numbered if isinstance(found, tuple) else [(key, found)]:
        place = None if one is None else getattr(one, name)
        if place is not None:
            yield named, place
