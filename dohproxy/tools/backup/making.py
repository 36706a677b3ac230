"""A backup is made: each file is read whole, as they are replaced whole, and the archive takes its place at the end.

So it can be made while the service runs, and without it. Everything here blocks.
"""

import hashlib
import os
import stat
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from dohproxy.config import Config
from dohproxy.config.permissions import group_name, user_name
from dohproxy.jobs.atomic_file import AtomicFile, ForeignFile, read_own_file, reason_of
from dohproxy.jobs.hour_file import UnreadableHours, copy_hours
from dohproxy.regular_file import open_regular, read_regular
from dohproxy.tools.backup import manifest as manifests
from dohproxy.tools.backup.archive import MANIFEST_NAME, MOST_BYTES, ArchiveWriter, TooLarge, members
from dohproxy.tools.backup.contents import HOURS, KEPT_IN_STATE_DIRECTORY, ON_REQUEST, Group, Item, contents
from dohproxy.tools.backup.manifest import BadBackup, LeftOut, Manifest, Part, Why, part_name

_NO_PERMISSIONS: Final = 0o022
"""Whoever may write to a file is not restored but for its owner."""


class CannotBackUp(Exception):
    """There is no backup, and what lay in its place is as it was; the message is a sentence for the operator."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What somebody wants in a backup."""

    with_keys: bool = False
    with_cache: bool = False
    without: Collection[Group] = ()

    def why_not(self, group: Group) -> Why | None:
        """Return why what belongs to a group is left out, None if it is not."""
        if group is Group.KEYS and not self.with_keys:
            return Why.KEYS
        if group is Group.CACHE and not self.with_cache:
            return Why.CACHE
        return Why.CHOICE if group in self.without and group not in ON_REQUEST else None


def make_backup(target: Path, file: Path, config: Config, wanted: Wanted, version: str, now: float) -> Manifest:
    """Write a backup of the configuration in `file` and all that it names into `target`, for this user alone; return
    what is in it. `now` in Unix seconds. Raises CannotBackUp."""
    file = file.absolute()
    items = contents(file, config)
    _require_fit(target, config, items)
    archive = AtomicFile(target)
    try:
        archive.open()
        found = _write(archive, file, config, items, wanted, version, now)
        archive.commit()
    except OSError as error:
        raise CannotBackUp(f"{target} cannot be written ({reason_of(error)}).") from None
    except TooLarge:
        raise CannotBackUp(
            f"There are more than {MOST_BYTES:,} bytes to keep: leave the largest out, as --without lists does."
        ) from None
    finally:
        archive.discard()
    return found


def _write(
    archive: AtomicFile, file: Path, config: Config, items: tuple[Item, ...], wanted: Wanted, version: str, now: float
) -> Manifest:
    parts: list[Part] = []
    left_out: list[LeftOut] = []
    with ArchiveWriter(archive.write, now) as writer:
        for item in items:
            why = wanted.why_not(item.kind.group)
            content = None if why is not None else _content(item)
            if content is None:
                left_out.append(LeftOut(item.key, why or Why.ABSENT))
                continue
            name = part_name(len(parts) + 1, item.key)
            writer.add(name, content)
            parts.append(_part(name, item, content))
        found = Manifest(version, int(now), config.server.host, str(file), tuple(parts), tuple(left_out))
        writer.add(MANIFEST_NAME, manifests.encode(found))
    return found


def _content(item: Item) -> bytes | None:
    """Return the content of a file, None if there is none and need not be. Raises CannotBackUp."""
    try:
        content = _read(item)
    except FileNotFoundError:
        if not item.kind.is_needed:
            return None
        raise CannotBackUp(f"{item.key} names {item.place}, which is not there: nothing is restored without.") from None
    except (ForeignFile, UnreadableHours) as fault:
        raise CannotBackUp(f"{item.key}: {item.place} {fault}. Put it right, or leave it out by --without.") from None
    except OSError as error:
        raise CannotBackUp(
            f"{item.key}: {item.place} cannot be read ({reason_of(error)}). Use sudo, or become the service's user."
        ) from None
    if len(content) > item.kind.most_bytes:
        raise CannotBackUp(f"{item.key}: {item.place} is longer than {item.kind.most_bytes:,} bytes, so hardly ours.")
    return content


def _read(item: Item) -> bytes:
    if item.key == HOURS:
        return copy_hours(item.place)
    if item.key in KEPT_IN_STATE_DIRECTORY or not item.kind.is_needed:
        return read_own_file(item.place, item.kind.most_bytes + 1)
    return read_regular(item.place, item.kind.most_bytes + 1)


def _part(name: str, item: Item, content: bytes) -> Part:
    found = item.place.stat()
    mode = stat.S_IMODE(found.st_mode) & 0o777 & ~_NO_PERMISSIONS
    user, group = user_name(found.st_uid), group_name(found.st_gid)
    return Part(name, item.key, len(content), hashlib.sha256(content).hexdigest(), mode, user, group)


def _require_fit(target: Path, config: Config, items: tuple[Item, ...]) -> None:
    """Do nothing where a backup may lie. Raises CannotBackUp."""
    place = _real(target)
    for key, directory in _closed(config):
        if place.is_relative_to(_real(directory)):
            raise CannotBackUp(f"{target} lies in {key}, {directory}: name a file elsewhere, best on another machine.")
    if place in {_real(item.place) for item in items}:
        raise CannotBackUp(f"{target} is one of the files to keep: name another.")
    try:
        with open_regular(target) as there:
            next(iter(members(there)))
    except FileNotFoundError:
        return
    except (BadBackup, StopIteration):
        raise CannotBackUp(f"{target} is there already and no backup: name another, or delete it.") from None
    except OSError as error:
        raise CannotBackUp(f"{target} cannot be written ({reason_of(error)}).") from None


def _closed(config: Config) -> Iterator[tuple[str, Path]]:
    """Yield directories in which a backup would be lost with what it is of, or shown to everybody."""
    if config.server.state_directory is not None:
        yield "server.state_directory", config.server.state_directory
    if config.pages.folder is not None:
        yield "pages.folder", config.pages.folder


def _real(path: Path) -> Path:
    return Path(os.path.realpath(path))
