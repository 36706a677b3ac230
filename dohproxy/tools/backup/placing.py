"""What was proved is put in its place: all of it, or nothing. Everything here blocks.

What lies there already is never written over unless somebody says so, and is kept beside under another name then. If a
file cannot be written, those before it are taken back.
"""

import contextlib
import grp
import os
import pwd
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from dohproxy.config import read
from dohproxy.jobs.atomic_file import AtomicFile, reason_of
from dohproxy.regular_file import read_regular
from dohproxy.tools.backup.contents import CONFIGURATION, Group, Item
from dohproxy.tools.backup.manifest import Part
from dohproxy.tools.backup.proof import Proven, directories, rooted, text_for, unpacking

FOR_OTHERS: Final = 0o007
"""Permissions that no secret has."""
_OWN: Final = 0o600
_OWN_DIRECTORY: Final = 0o700
_DIRECTORY: Final = 0o755
_CLOSED: Final = frozenset((Group.KEYS, Group.CACHE, Group.MEMBERS, Group.BLOCKS, Group.STATE, Group.HOURS))
_PUBLIC: Final = "tls.certificate"
"""Which every client is shown; it goes with its key."""


class CannotRestore(Exception):
    """Nothing was put back; the message is a sentence for the operator."""


@dataclass(frozen=True, slots=True)
class Placed:
    """What has been done."""

    files: tuple[Path, ...]
    """Those that were written; not those that were there already as they should be."""
    kept: tuple[Path, ...]
    """What lay in their places, under other names now."""
    unknown_owners: tuple[str, ...]
    """Users and groups whose files these are, and who are not known here."""


class Placing:
    """One attempt to put a backup in its place."""

    def __init__(self, path: Path, proven: Proven, root: Path | None, now: float) -> None:
        """`root`: below which directory everything goes; None: where it was. `now` in Unix seconds.

        Raises CannotRelocate, and ConfigError if the configuration could not be read there.
        """
        self._path = path
        self._proven = proven
        self._root = root
        self._beside = f".before-{int(now)}"
        text = text_for(proven, root)
        # A socket in a deep directory may have too long a name.
        read(text, directory=rooted(root, Path(proven.manifest.configuration)).parent)
        self._text = text.encode()
        self._undo: list[tuple[Path, Path | None]] = []
        self._made: list[Path] = []
        state = proven.config.server.state_directory
        self._state_directory = None if state is None else rooted(root, state)
        self._unknown: dict[str, None] = {}

    def taken(self) -> list[Path]:
        """Return what lies in the way. Raises BadBackup, OSError and CannotRestore."""
        return [target for target, _, _ in self._targets() if _exists(target)]

    def place(self) -> Placed:
        """Write every file. Raises CannotRestore, BadBackup and OSError; then all is as it was before."""
        try:
            for target, part, content in self._targets():
                self._write(target, part, content)
            if self._root is not None:
                # Elsewhere the system makes them, as the unit says.
                for directory in directories(self._proven, self._root):
                    self._make_directory(directory)
        except BaseException:
            self._take_back()
            raise
        files = tuple(target for target, _ in self._undo)
        kept = tuple(before for _, before in self._undo if before is not None)
        return Placed(files, kept, tuple(self._unknown))

    def _targets(self) -> Iterator[tuple[Path, Part, bytes]]:
        """Yield what is not there yet as it should be."""
        with unpacking(self._path, self._proven) as unpacked:
            for item, part, content in unpacked:
                wanted = self._text if item.key == CONFIGURATION else content
                target = rooted(self._root, item.place)
                self._require_inside(target)
                if not _holds(target, wanted):
                    yield target, part, wanted

    def _require_inside(self, target: Path) -> None:
        """Do nothing unless a link that lies there already leads out of the root. Raises CannotRestore."""
        if self._root is None:
            return
        real, root = Path(os.path.realpath(target)), Path(os.path.realpath(self._root))
        if not real.is_relative_to(root):
            raise CannotRestore(f"{target} would be written to {real}, as a link leads there: name another directory.")

    def _write(self, target: Path, part: Part, content: bytes) -> None:
        item = self._proven.items[part.key]
        self._make_directory(target.parent, part)
        file = AtomicFile(target, _mode_of(part, item))
        try:
            file.open()
            file.write(content)
            self._give(file, part)
            before = self._keep(target)
            self._undo.append((target, before))
            file.commit()
        except OSError as error:
            raise CannotRestore(f"{target} cannot be written ({reason_of(error)}).") from None
        finally:
            file.discard()

    def _keep(self, target: Path) -> Path | None:
        """Give what lies there a second name, by which it stays."""
        if not _exists(target):
            return None
        before = target.with_name(target.name + self._beside)
        os.link(target, before, follow_symlinks=False)
        return before

    def _make_directory(self, directory: Path, owner_of: Part | None = None) -> None:
        """Make a directory and those above it; that of the state is for its owner alone."""
        missing = [one for one in (directory, *directory.parents) if not one.exists()]
        for one in reversed(missing):
            is_state = one == self._state_directory
            try:
                one.mkdir()
                one.chmod(_OWN_DIRECTORY if is_state else _DIRECTORY)
                if is_state and owner_of is not None and os.geteuid() == 0:
                    os.chown(one, *self._owner(owner_of))
            except OSError as error:
                raise CannotRestore(f"The directory {one} cannot be made ({reason_of(error)}).") from None
            self._made.append(one)

    def _give(self, file: AtomicFile, part: Part) -> None:
        if os.geteuid() == 0:
            file.give_to(*self._owner(part))

    def _owner(self, part: Part) -> tuple[int, int]:
        """Return whose a file is to be, ours where its owner is not known here."""
        return (
            self._number(part.user, lambda: pwd.getpwnam(part.user).pw_uid),
            self._number(part.group, lambda: grp.getgrnam(part.group).gr_gid),
        )

    def _number(self, name: str, find: Callable[[], int]) -> int:
        try:
            return int(name) if name.isdigit() else find()
        except KeyError:
            self._unknown[name] = None
            return 0

    def _take_back(self) -> None:
        for target, before in reversed(self._undo):
            with contextlib.suppress(OSError):
                if before is None:
                    target.unlink(missing_ok=True)
                else:
                    before.replace(target)
                    # Where both are one file still, nothing was renamed (rename(2)).
                    before.unlink(missing_ok=True)
        for directory in reversed(self._made):
            with contextlib.suppress(OSError):
                directory.rmdir()


def _mode_of(part: Part, item: Item) -> int:
    is_closed = item.kind.group in _CLOSED and part.key != _PUBLIC
    return (part.mode | _OWN) & ~(FOR_OTHERS if is_closed else 0)


def _exists(target: Path) -> bool:
    return target.is_symlink() or target.exists()


def _holds(target: Path, wanted: bytes) -> bool:
    try:
        return not target.is_symlink() and read_regular(target, len(wanted) + 1) == wanted
    except OSError:
        return False
