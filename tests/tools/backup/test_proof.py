"""A backup is what its maker has written, or it is refused."""

import hashlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dohproxy.config import ConfigError, load
from dohproxy.tools.backup.archive import MANIFEST_NAME, ArchiveWriter, members
from dohproxy.tools.backup.making import Wanted
from dohproxy.tools.backup.manifest import BadBackup, Manifest, Part, decode, encode
from dohproxy.tools.backup.proof import prove, rooted, stage, text_for
from dohproxy.tools.backup.relocation import CannotRelocate
from tests.tools.backup.conftest import NOW, House

Change = Callable[[dict[str, bytes], Manifest], Manifest | None]


def forged(house: House, change: Change) -> Path:
    """Make a backup and change what is in it, as whoever has it may; return it."""
    house.back_up(Wanted(with_keys=True))
    with house.target.open("rb") as file:
        contents = {member.name: member.content(10**7) for member in members(file)}
    manifest = change(contents, decode(contents.pop(MANIFEST_NAME)))
    with house.target.open("wb") as target, ArchiveWriter(target.write, NOW) as writer:
        for name, content in contents.items():
            writer.add(name, content)
        if manifest is not None:
            writer.add(MANIFEST_NAME, encode(manifest))
    return house.target


def with_content(contents: dict[str, bytes], manifest: Manifest, key: str, content: bytes) -> Manifest:
    """Put another content into a file of a backup, with its digest."""
    parts = []
    for part in manifest.parts:
        if part.key == key:
            contents[part.name] = content
            part = replace(part, size=len(content), sha256=hashlib.sha256(content).hexdigest())
        parts.append(part)
    return replace(manifest, parts=tuple(parts))


def with_configuration(contents: dict[str, bytes], manifest: Manifest, text: bytes) -> Manifest:
    """Put another configuration into a backup, with its digest."""
    return with_content(contents, manifest, "configuration", text)


def with_part(contents: dict[str, bytes], manifest: Manifest, key: str, content: bytes) -> Manifest:
    """Add a file to a backup, with its digest."""
    contents["900-more"] = content
    digest = hashlib.sha256(content).hexdigest()
    part = Part("900-more", key, len(content), digest, 0o644, "root", "root")
    return replace(manifest, parts=(*manifest.parts, part))


def _swapped(contents: dict[str, bytes], manifest: Manifest) -> Manifest:
    contents["001-configuration"] = contents["001-configuration"].replace(b"ads", b"adz", 1)
    return manifest


def _dropped(contents: dict[str, bytes], manifest: Manifest) -> Manifest:
    contents.popitem()
    return manifest


def _emptied(contents: dict[str, bytes], manifest: Manifest) -> Manifest:
    contents.clear()
    return replace(manifest, parts=())


def _added(contents: dict[str, bytes], manifest: Manifest) -> Manifest:
    contents["900-more"] = b""
    return manifest


HOSTILE: dict[str, tuple[Change, str]] = {
    "a changed file": (_swapped, "does not hold what its manifest says"),
    "a missing file": (_dropped, "does not hold what its manifest says"),
    "a file more": (_added, "does not hold what its manifest says"),
    "no manifest": (lambda contents, manifest: None, "has no manifest"),
    "no part": (_emptied, "holds no configuration"),
    "another first part": (
        lambda contents, manifest: replace(manifest, parts=manifest.parts[::-1]),
        "holds no configuration",
    ),
    "a file that nothing names": (
        lambda contents, manifest: with_part(contents, manifest, "upstream #1.ca_file", b"x"),
        "does not name",
    ),
    "a place of its own": (
        lambda contents, manifest: with_part(contents, manifest, "server.state_directory/../cron.d/x", b"x"),
        "does not name",
    ),
    "one file twice": (lambda contents, manifest: with_part(contents, manifest, "tls.key", b"x"), "does not name"),
    "a file of another's size": (
        lambda contents, manifest: with_content(contents, manifest, "clients.member_file", bytes(524_289)),
        "longer than any of its kind",
    ),
    "no text": (lambda contents, manifest: with_configuration(contents, manifest, b"\xff"), "is no text"),
}


@pytest.mark.parametrize(("change", "told"), HOSTILE.values(), ids=HOSTILE)
def test_what_somebody_has_changed_is_refused(house: House, change: Change, told: str) -> None:
    with pytest.raises(BadBackup, match=told):
        prove(forged(house, change))


def test_a_configuration_that_cannot_be_read_is_told_as_everywhere(house: House) -> None:
    with pytest.raises(ConfigError, match="servr"):
        prove(forged(house, lambda contents, manifest: with_configuration(contents, manifest, b"[servr]\n")))


def test_what_was_written_is_proved_and_lies_below_the_directory(house: House, tmp_path: Path) -> None:
    house.back_up(Wanted(with_keys=True))
    proven = prove(house.target)
    assert [item.key for _, item in proven.parts] == [part.key for part in proven.manifest.parts]
    root = tmp_path / "stage"
    config = stage(house.target, proven, root)
    assert config.server.state_directory == rooted(root, house.directory / "state")
    assert config.tls is not None
    assert all(path.is_relative_to(root) for path in (config.tls.key, config.tls.certificate))
    assert config.clients.member_file is not None
    assert config.clients.member_file.read_bytes() == (house.directory / "state" / "members.json").read_bytes()
    assert {path.stat().st_mode & 0o077 for path in root.rglob("*") if path.is_file()} == {0}


def test_what_is_not_in_it_keeps_its_place(house: House, tmp_path: Path) -> None:
    house.back_up()
    proven = prove(house.target)
    assert f"key = '{house.directory}/etc/key.pem'" in text_for(proven, tmp_path / "n")
    assert text_for(proven, None) == house.file.read_text(encoding="utf-8")


def test_a_name_that_climbs_leads_nowhere_outside(house: House, tmp_path: Path) -> None:
    def climbing(contents: dict[str, bytes], manifest: Manifest) -> Manifest:
        text = contents["001-configuration"].replace(b'"ads.txt"', b'"' + b"../" * 30 + b'escaped.txt"')
        return with_configuration(contents, manifest, text)

    proven = prove(forged(house, climbing))
    root = tmp_path / "stage"
    config = stage(house.target, proven, root)
    assert config.blocklists[0].file == root / "escaped.txt"
    assert (root / "escaped.txt").read_text(encoding="utf-8") == "ads.example\n"


def test_sockets_are_where_they_were(house: House, tmp_path: Path) -> None:
    with house.file.open("a", encoding="utf-8") as file:
        file.write('\n[admin]\nsocket = "../a.sock"\n')
    changed = replace(house, config=load(house.file))
    changed.back_up()
    config = stage(house.target, prove(house.target), tmp_path / ("long" * 30))
    assert config.admin is not None
    assert config.admin.socket.resolve() == house.directory / "a.sock"


def test_an_unusual_spelling_is_told(house: House, tmp_path: Path) -> None:
    text = house.file.read_text(encoding="utf-8").replace(f"'{house.directory}/etc/key.pem'", "'''/a.pem'''")

    def spelled(contents: dict[str, bytes], manifest: Manifest) -> Manifest:
        return with_configuration(contents, manifest, text.encode())

    proven = prove(forged(house, spelled))
    with pytest.raises(CannotRelocate, match=r"tls\.key"):
        stage(house.target, proven, tmp_path / "stage")


def test_what_is_exchanged_after_the_proof_is_seen(house: House, tmp_path: Path) -> None:
    house.back_up()
    proven = prove(house.target)
    (house.directory / "etc" / "ads.txt").write_text("other.example\n", encoding="utf-8")
    house.back_up()
    with pytest.raises(BadBackup, match="has changed while it was read"):
        stage(house.target, proven, tmp_path / "stage")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50)
@given(place=st.integers(0, 10**9), mask=st.integers(1, 255), cut=st.integers(0, 10**9))
def test_whatever_happens_to_the_bytes_it_is_proved_or_refused(house: House, place: int, mask: int, cut: int) -> None:
    if not house.target.exists():
        house.back_up()
    whole = house.target.read_bytes()
    changed = bytearray(whole)
    changed[place % len(whole)] ^= mask
    damaged = house.directory / "out" / "damaged"
    damaged.write_bytes(changed[: cut % (2 * len(whole))])
    try:
        found = prove(damaged)
    except BadBackup:
        return
    assert found.manifest == prove(house.target).manifest


@pytest.mark.parametrize(
    ("root", "place", "wanted"),
    [
        (None, "/etc/a/../b", "/etc/b"),
        ("/n", "/etc/a", "/n/etc/a"),
        ("/n", "/../../etc/a", "/n/etc/a"),
        ("/n", "/etc/../../../a", "/n/a"),
    ],
)
def test_nothing_leads_out_of_the_root(root: str | None, place: str, wanted: str) -> None:
    assert rooted(None if root is None else Path(root), Path(place)) == Path(wanted)
