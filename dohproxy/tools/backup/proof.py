"""A backup is proved before anything is written: every byte against its digest, every file against the configuration
that is in it. Everything here blocks.

Where a file goes is what the configuration says, and never what the archive says. So nothing is written that the
service would not look for, and a name in an archive leads nowhere.
"""

import hashlib
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final

from dohproxy.config import Config, read
from dohproxy.config.files import MAX_FILE_BYTES
from dohproxy.regular_file import open_regular
from dohproxy.tools.backup.archive import MANIFEST_NAME, Member, members
from dohproxy.tools.backup.contents import (
    CONFIGURATION,
    MADE_BY_THE_SERVICE,
    MEMBERS,
    SNAPSHOT,
    Item,
    contents,
    places,
)
from dohproxy.tools.backup.manifest import MOST_MANIFEST_BYTES, BadBackup, Manifest, Part, decode, part_name
from dohproxy.tools.backup.relocation import is_bound, relocated, written

_CONFIGURATION_NAME: Final = part_name(1, CONFIGURATION)
_DIRECTORY_MODE: Final = 0o700
_MODE: Final = 0o600


@dataclass(frozen=True, slots=True)
class Proven:
    """A backup of which every byte is what its maker has written, and which holds nothing beside."""

    manifest: Manifest
    text: str
    """The configuration."""
    config: Config
    """The same, read where it was."""
    items: Mapping[str, Item]
    """All that it could hold, by key."""

    @property
    def parts(self) -> tuple[tuple[Part, Item], ...]:
        """What it does hold."""
        return tuple((part, self.items[part.key]) for part in self.manifest.parts)


def prove(path: Path) -> Proven:
    """Return what a backup holds. Raises OSError if the file cannot be read, and what `prove_archive` raises."""
    with open_regular(path) as file:
        return prove_archive(file)


def prove_archive(file: BinaryIO) -> Proven:
    """Return what a backup holds. Raises BadBackup, and ConfigError for a configuration that cannot be read here."""
    text, manifest, found = b"", None, {}
    for member in members(file):
        if member.name == MANIFEST_NAME:
            manifest = decode(member.content(MOST_MANIFEST_BYTES))
        elif member.name == _CONFIGURATION_NAME:
            text = member.content(MAX_FILE_BYTES)
            found[member.name] = len(text), hashlib.sha256(text).hexdigest()
        else:
            found[member.name] = member.size, _digest(member)
    if manifest is None:
        raise BadBackup("has no manifest, so it is cut short or no backup")
    if found != {part.name: (part.size, part.sha256) for part in manifest.parts}:
        raise BadBackup("does not hold what its manifest says: it is damaged, or somebody has changed it")
    return _fitted(manifest, text)


def _digest(member: Member) -> str:
    digest = hashlib.sha256()
    for chunk in member.chunks():
        digest.update(chunk)
    return digest.hexdigest()


def _fitted(manifest: Manifest, content: bytes) -> Proven:
    """Return the proof if the parts are those of the configuration among them. Raises BadBackup and ConfigError."""
    if not manifest.parts or manifest.parts[0].key != CONFIGURATION:
        raise BadBackup("holds no configuration")
    try:
        text = content.decode()
    except UnicodeDecodeError:
        raise BadBackup("holds a configuration that is no text") from None
    place = Path(manifest.configuration)
    config = read(text, directory=place.parent)
    items = {item.key: item for item in contents(place, config)}
    keys = [part.key for part in manifest.parts]
    if len(set(keys)) < len(keys) or not set(keys) <= set(items):
        raise BadBackup("holds a file that its configuration does not name")
    if any(part.size > items[part.key].kind.most_bytes for part in manifest.parts):
        raise BadBackup("holds a file that is longer than any of its kind")
    return Proven(manifest, text, config, items)


def rooted(root: Path | None, place: Path) -> Path:
    """Return where a file goes: its own place, or below `root`, out of which nothing leads."""
    normal = Path(os.path.normpath(place))
    return normal if root is None else root / normal.relative_to("/")


def text_for(proven: Proven, root: Path | None) -> str:
    """Return the configuration as it is written below `root`: what lies there, or is made there, is named there.

    Names that start from the file stay as they are. Raises CannotRelocate.
    """
    if root is None:
        return proven.text
    source = proven.config.source
    document: Mapping[str, object] = {} if source is None else source.document
    moves = {key: place for key, place in _moves(proven, root).items() if is_bound(written(document, key))}
    return relocated(proven.text.removeprefix("\ufeff"), moves)


def _moves(proven: Proven, root: Path) -> dict[str, Path]:
    """Return what is named below `root`. What is not in the backup keeps its place, where it may lie already, as a
    certificate's key often does."""
    own = {part.key: item.place for part, item in proven.parts if "/" not in item.key and item.key != CONFIGURATION}
    for key in (*MADE_BY_THE_SERVICE, MEMBERS, SNAPSHOT):
        own |= dict(places(proven.config, key))
    return {key: rooted(root, place) for key, place in own.items()}


@contextmanager
def unpacking(path: Path, proven: Proven) -> Iterator[Iterator[tuple[Item, Part, bytes]]]:
    """Give each part of a proven backup with its content. What has changed since it was proved is BadBackup."""
    with open_regular(path) as file:
        yield _unpacked(members(file), {part.name: (part, item) for part, item in proven.parts})


def _unpacked(found: Iterator[Member], parts: Mapping[str, tuple[Part, Item]]) -> Iterator[tuple[Item, Part, bytes]]:
    for member in found:
        if member.name in parts:
            part, item = parts[member.name]
            content = member.content(item.kind.most_bytes)
            if hashlib.sha256(content).hexdigest() != part.sha256:
                raise BadBackup("has changed while it was read")
            yield item, part, content


def directories(proven: Proven, root: Path) -> tuple[Path, ...]:
    """Return those below `root` in which the service expects to write."""
    state, *others = MADE_BY_THE_SERVICE
    own = [place for _, place in places(proven.config, state)]
    own += [place.parent for key in (*others, MEMBERS, SNAPSHOT) for _, place in places(proven.config, key)]
    return tuple(rooted(root, place) for place in own)


def stage(path: Path, proven: Proven, root: Path) -> Config:
    """Unpack a proven backup below a private directory, so that the service's own eyes can look at it; return the
    configuration with the names of the files there. Raises BadBackup, CannotRelocate and OSError."""
    text = relocated(proven.text.removeprefix("\ufeff"), _moves(proven, root))
    for directory in directories(proven, root):
        directory.mkdir(_DIRECTORY_MODE, parents=True, exist_ok=True)
    with unpacking(path, proven) as unpacked:
        for item, _, content in unpacked:
            target = rooted(root, item.place)
            target.parent.mkdir(_DIRECTORY_MODE, parents=True, exist_ok=True)
            target.write_bytes(content)
            target.chmod(_MODE)
    # Sockets, whose names have to be short, and what is not in the backup are where they were.
    return read(text, directory=Path(proven.manifest.configuration).parent)
