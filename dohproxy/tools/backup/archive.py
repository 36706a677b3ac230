"""A backup as bytes: a tar archive in gzip, of plain files with plain names, the manifest last.

`tar tzf` lists it, so that whoever has nothing but it can read it. It is read here as what a stranger may have made:
nothing but regular files, each name once, no more bytes than a backup may have, and to the very end, where gzip says
whether anything was changed on the way.
"""

import gzip
import tarfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from typing import Any, BinaryIO, Final

from dohproxy.tools.backup.manifest import FORMAT, MOST_PARTS, PART_NAME, BadBackup

MOST_BYTES: Final = 536_870_912
"""Of all parts together: four lists of the greatest length that is loaded. A typical backup has some MiB."""
CHUNK_BYTES: Final = 65_536
FORMAT_NAME: Final = "format"
"""The first member: older programs can tell what they cannot read before they try to."""
MANIFEST_NAME: Final = "manifest.json"
_MOST_FORMAT_BYTES: Final = 16
_MODE: Final = 0o600


class TooLarge(Exception):
    """There is more than a backup may hold."""


class _Into:
    """What gzip writes into."""

    def __init__(self, write: Callable[[bytes], object]) -> None:
        self.write = write

    def flush(self) -> None:
        """Do nothing: who gave `write` knows when it is whole."""


class ArchiveWriter:
    """Writes one archive, as a context; an exception leaves it without its end."""

    def __init__(self, write: Callable[[bytes], object], now: float) -> None:
        """`write` is given the archive piece by piece; `now`, in Unix seconds, is the time of all members."""
        self._now = int(now)
        self._sink: Any = _Into(write)
        self._gzip = gzip.GzipFile("", "wb", fileobj=self._sink, mtime=self._now)
        self._tar = tarfile.open(mode="w|", fileobj=self._gzip, format=tarfile.USTAR_FORMAT)  # noqa: SIM115
        self._bytes = 0
        self.add(FORMAT_NAME, b"%d\n" % FORMAT)

    def add(self, name: str, content: bytes) -> None:
        """Append a member. Raises TooLarge, and what `write` raises."""
        self._bytes += len(content)
        if self._bytes > MOST_BYTES:
            raise TooLarge
        member = tarfile.TarInfo(name)
        member.size, member.mtime, member.mode = len(content), self._now, _MODE
        self._tar.addfile(member, BytesIO(content))

    def __enter__(self) -> "ArchiveWriter":
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is not None:  # Both would write into what is gone when they are collected.
            self._sink.write = len
        self._tar.close()
        self._gzip.close()


class _Limited:
    """Bytes out of gzip, no more than a backup may have."""

    def __init__(self, file: BinaryIO) -> None:
        self._gzip = gzip.GzipFile(fileobj=file)
        # Each member has a head, and is filled up to a whole block; archives end with some empty ones.
        self._left = MOST_BYTES + (MOST_PARTS + 64) * 2 * tarfile.BLOCKSIZE

    def read(self, size: int) -> bytes:
        """Return at most so many bytes. Raises BadBackup."""
        found = self._gzip.read(size)
        self._left -= len(found)
        if self._left < 0:
            raise BadBackup(f"would be longer than {MOST_BYTES:,} bytes when unpacked, so hardly a backup")
        return found


@dataclass(frozen=True, slots=True)
class Member:
    """One file of an archive, to be read before the next."""

    name: str
    size: int
    _file: Any

    def chunks(self) -> Iterator[bytes]:
        """Yield its content. Raises BadBackup."""
        left = self.size
        with _faults_in_words():
            while left:
                chunk = self._file.read(min(left, CHUNK_BYTES))
                if not chunk:
                    raise BadBackup("is cut short")
                left -= len(chunk)
                yield chunk

    def content(self, most_bytes: int) -> bytes:
        """Return its content. Raises BadBackup, also if it is longer than it may be."""
        if self.size > most_bytes:
            raise BadBackup(f"holds {self.name} with {self.size:,} bytes, and {most_bytes:,} are the most")
        return b"".join(self.chunks())


def members(file: BinaryIO) -> Iterator[Member]:
    """Yield the files of an archive after the one with its format, which is looked at here. Raises BadBackup."""
    limited: Any = _Limited(file)
    names: set[str] = set()
    with _faults_in_words(), tarfile.open(mode="r|", fileobj=limited) as tar:
        for found in tar:
            member = _member(tar, found)
            if member.name in names or len(names) > MOST_PARTS + 2:
                raise BadBackup(f"holds {member.name} twice, or too many files")
            names.add(member.name)
            if len(names) == 1:
                _require_format(member)
            else:
                yield member
        while rest := limited.read(CHUNK_BYTES):
            if any(rest):
                raise BadBackup("goes on after its end")


def _member(tar: tarfile.TarFile, found: tarfile.TarInfo) -> Member:
    is_plain = found.type == tarfile.REGTYPE and not found.pax_headers and found.sparse is None
    if not is_plain or not PART_NAME.fullmatch(found.name):
        raise BadBackup("holds a link, a device, a directory or a name that no backup has")
    return Member(found.name, found.size, tar.extractfile(found))


def _require_format(first: Member) -> None:
    if first.name != FORMAT_NAME:
        raise BadBackup("is no backup that `dohproxy backup` has made")
    text = first.content(_MOST_FORMAT_BYTES)
    if not text.strip().isdigit():
        raise BadBackup("is no backup that `dohproxy backup` has made")
    if int(text) != FORMAT:
        raise BadBackup(
            f"is a backup of the format {int(text)}, and this program knows {FORMAT}: install the version that made it,"
            " or a newer one, and restore it with that"
        )


@contextmanager
def _faults_in_words() -> Iterator[None]:
    try:
        yield
    except (tarfile.TarError, EOFError, zlib.error, gzip.BadGzipFile, ValueError, OverflowError):
        raise BadBackup("is damaged, cut short, or no backup") from None
