"""The archive, written by us and by others who mean no good."""

import contextlib
import gzip
import io
import tarfile
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dohproxy.tools.backup import archive as module
from dohproxy.tools.backup.archive import ArchiveWriter, TooLarge, members
from dohproxy.tools.backup.manifest import BadBackup

NOW = 1_800_000_000.0


def made(*files: tuple[str, bytes]) -> bytes:
    """Return an archive as we write it."""
    written = io.BytesIO()
    with ArchiveWriter(written.write, NOW) as writer:
        for name, content in files:
            writer.add(name, content)
    return written.getvalue()


def content_of(archive: bytes) -> list[tuple[str, bytes]]:
    """Return what is in an archive."""
    return [(member.name, b"".join(member.chunks())) for member in members(io.BytesIO(archive))]


WHOLE = made(("001-a", b"one"), ("002-b", bytes(70_000)), ("manifest.json", b"{}"))


def test_what_is_written_is_read_again_and_tar_can_read_it_too() -> None:
    wanted = [("001-a", b"one"), ("002-b", bytes(70_000)), ("manifest.json", b"{}")]
    assert content_of(WHOLE) == wanted
    with tarfile.open(fileobj=io.BytesIO(WHOLE)) as tar:
        assert tar.getnames() == ["format", *(name for name, _ in wanted)]
        assert {member.mode for member in tar} == {0o600}


def test_the_same_gives_the_same_bytes() -> None:
    assert made(("001-a", b"one")) == made(("001-a", b"one"))


def foreign(*entries: tarfile.TarInfo, form: int = tarfile.PAX_FORMAT) -> bytes:
    """Return an archive of somebody else's, which begins as ours do."""
    written = io.BytesIO()
    with tarfile.open(fileobj=written, mode="w:gz", format=form) as tar:
        first = tarfile.TarInfo("format")
        first.size = 2
        tar.addfile(first, io.BytesIO(b"1\n"))
        for entry in entries:
            tar.addfile(entry, io.BytesIO(bytes(entry.size)) if entry.isreg() else None)
    return written.getvalue()


def entry(name: str, change: Callable[[tarfile.TarInfo], object] = lambda _: None) -> tarfile.TarInfo:
    """Return one member, changed."""
    found = tarfile.TarInfo(name)
    change(found)
    return found


def of_type(kind: bytes, link: str = "") -> Callable[[tarfile.TarInfo], object]:
    """Return what makes a member one of another type."""

    def change(found: tarfile.TarInfo) -> None:
        found.type, found.linkname = kind, link

    return change


HOSTILE = {
    "a name with dots": foreign(entry("../etc/passwd")),
    "an absolute name": foreign(entry("/etc/passwd")),
    "a hidden name": foreign(entry(".profile")),
    "a name in a directory": foreign(entry("a/b")),
    "a long name": foreign(entry("a" * 200)),
    "a long name of GNU": foreign(entry("a" * 200), form=tarfile.GNU_FORMAT),
    "a symbolic link": foreign(entry("a", of_type(tarfile.SYMTYPE, "/etc/passwd"))),
    "a hard link": foreign(entry("a", of_type(tarfile.LNKTYPE, "format"))),
    "a device": foreign(entry("a", of_type(tarfile.CHRTYPE))),
    "a named pipe": foreign(entry("a", of_type(tarfile.FIFOTYPE))),
    "a directory": foreign(entry("a", of_type(tarfile.DIRTYPE))),
    "a sparse file": foreign(entry("a", of_type(tarfile.GNUTYPE_SPARSE))),
    "a name twice": foreign(entry("a"), entry("a")),
    "too many files": foreign(*(entry(f"{number:04}") for number in range(600))),
    "nothing": b"",
    "empty gzip": gzip.compress(b""),
    "no tar": gzip.compress(b"a list of members\n" * 100),
    "no gzip": b"[server]\n" * 1_000,
    "another tar": gzip.compress(gzip.decompress(foreign())[512:]),
    "another first file": gzip.compress(gzip.decompress(foreign()).replace(b"format", b"tamrof")),
    "no number": made()[:0] + gzip.compress(gzip.decompress(made()).replace(b"1\n", b"x\n")),
    "more behind it": gzip.compress(gzip.decompress(WHOLE) + b"more"),
    "another gzip behind it": WHOLE + gzip.compress(b"more"),
    "bytes behind it": WHOLE + b"more",
    "cut short": WHOLE[: len(WHOLE) // 2],
    "without its end": WHOLE[:-1],
}


@pytest.mark.parametrize("archive", HOSTILE.values(), ids=HOSTILE)
def test_what_others_make_is_refused(archive: bytes) -> None:
    with pytest.raises(BadBackup):
        content_of(archive)


def test_a_newer_format_is_told_with_what_to_do() -> None:
    newer = gzip.compress(gzip.decompress(made()).replace(b"1\n", b"2\n"))
    with pytest.raises(BadBackup, match="format 2, and this program knows 1: install the version that made it"):
        content_of(newer)


def test_no_more_is_unpacked_than_a_backup_may_have(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_BYTES", 1_000_000)
    bomb = foreign(entry("a", lambda found: setattr(found, "size", 3_000_000)))
    assert len(bomb) < 10_000
    with pytest.raises(BadBackup, match="when unpacked"):
        content_of(bomb)
    with pytest.raises(TooLarge):
        made(("001-a", bytes(1_000_001)))


def test_a_head_that_never_ends_is_a_bomb_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_BYTES", 1_000_000)
    bomb = foreign(entry("a" * 5_000_000))
    with pytest.raises(BadBackup):
        content_of(bomb)


def test_one_file_may_be_no_longer_than_is_asked_for() -> None:
    with pytest.raises(BadBackup, match="holds 001-a with 3 bytes, and 1 are the most"):
        next(iter(members(io.BytesIO(WHOLE)))).content(1)


@given(place=st.integers(0, 10**9), bit=st.integers(0, 7))
def test_a_changed_bit_changes_nothing_or_is_found(place: int, bit: int) -> None:
    changed = bytearray(WHOLE)
    changed[place % len(WHOLE)] ^= 1 << bit
    try:
        found = content_of(bytes(changed))
    except BadBackup:
        return
    assert found == content_of(WHOLE)


@given(length=st.integers(0, len(WHOLE) - 1))
def test_what_is_cut_short_is_found(length: int) -> None:
    with pytest.raises(BadBackup):
        content_of(WHOLE[:length])


@given(head=st.binary(max_size=600), rest=st.binary(max_size=600))
def test_whatever_tar_holds_is_read_or_refused(head: bytes, rest: bytes) -> None:
    tar = bytearray(gzip.decompress(made(("001-a", b"one"))))
    tar[1024 : 1024 + len(head)] = head
    with contextlib.suppress(BadBackup):
        content_of(gzip.compress(bytes(tar) + rest, 1))
