"""What is said of a backup: what is in it, and what its lack means for who restores it."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from dohproxy.tools.backup.contents import BLOCKS, HOURS, MEMBERS, SNAPSHOT, STATE, STATE_KEY, Item
from dohproxy.tools.backup.manifest import LeftOut, Manifest, Why

_LACKS: Final[Mapping[str, str]] = {
    "tls.certificate": "put it there, or have a new one made",
    "tls.key": "put it there, or have a new certificate made, before the service is started",
    "nodes.key_file": "copy it from another node, before the service is started",
    "nodes.password_file": "write the password of the store there, before the service is started",
    STATE_KEY: "without it the state is of no use: budgets begin empty, networks are new, announcements are gone",
    STATE: "budgets begin empty, networks are new, announcements are gone",
    MEMBERS: "nobody is a member by a URL until somebody is added",
    BLOCKS: "nothing is blocked or let through by hand",
    HOURS: "the report begins anew",
    SNAPSHOT: "the cache begins empty, and upstreams are asked slowly at first",
}
_ELSE: Final = "put it there before the service is started"
_OPTIONS: Final[Mapping[Why, str]] = {
    Why.KEYS: "a secret: --with-keys",
    Why.CACHE: "names that were asked for: --with-cache",
    Why.CHOICE: "left out by --without",
    Why.ABSENT: "there was none",
}
_NEVER: Final = (
    "the program itself, the system's units, users and packet filter, the programs of alerts.command, the log of bans,"
    " and what a front proxy or the store has."
)


def held(manifest: Manifest) -> str:
    """Return what a backup is, in a sentence."""
    size = sum(part.size for part in manifest.parts)
    return (
        f"{len(manifest.parts)} files of {manifest.host}, {size:,} bytes, made by dohproxy {manifest.version}"
        f" {made_at(manifest)}"
    )


def has_secrets(manifest: Manifest) -> bool:
    """Tell whether private keys are in a backup."""
    return any(part.key in (STATE_KEY, "tls.key", "nodes.key_file", "nodes.password_file") for part in manifest.parts)


def parts(manifest: Manifest, items: Mapping[str, Item]) -> Iterator[str]:
    """Yield a line for each file in a backup."""
    for part in manifest.parts:
        yield f"  {part.key}: {items[part.key].place}"


def lacks(manifest: Manifest, items: Mapping[str, Item]) -> Iterator[str]:
    """Yield a line for each file that is not in a backup, with why, and what to do or what that means."""
    for one in manifest.left_out:
        if one.key in items and one.why is not Why.ABSENT:
            yield f"  {one.key}, {items[one.key].place} ({_OPTIONS[one.why]}): {_meaning(one)}"
    yield f"  never: {_NEVER}"


def _meaning(one: LeftOut) -> str:
    return _LACKS.get(one.key, _ELSE)


def age(manifest: Manifest) -> str:
    """Return what is to be known of everything that has happened since."""
    return f"Everything is as it was {made_at(manifest)}: who was revoked, blocked or let through later is not."


def made_at(manifest: Manifest) -> str:
    """Return when a backup was made."""
    made = datetime.fromtimestamp(manifest.made_at, UTC).isoformat(" ", "seconds").removesuffix("+00:00")
    return f"at {made} UTC"


def before_names(kept: tuple[Path, ...]) -> str:
    """Return what lay in the way and is called otherwise now."""
    return ", ".join(map(str, kept))
