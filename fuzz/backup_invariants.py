"""What must hold for every byte string in the place of a backup. The fuzz target calls this, and so does pytest."""

import gzip
from io import BytesIO
from pathlib import Path
from typing import Final

from dohproxy.config import ConfigError, read
from dohproxy.tools.backup.archive import MANIFEST_NAME, ArchiveWriter
from dohproxy.tools.backup.manifest import PART_NAME, BadBackup, part_name
from dohproxy.tools.backup.proof import Proven, prove_archive, rooted, text_for
from dohproxy.tools.backup.relocation import CannotRelocate
from fuzz import seeds

ROOT: Final = Path("/srv/restored")


def check_backup(data: bytes) -> tuple[Proven, ...]:
    """Hold the promises about backups on these bytes; return what was proved.

    They are the file, what is within gzip, and the manifest: behind each check of sums a fuzzer gets no further by
    itself.
    """
    found = (_check(data), _check(gzip.compress(data, 1, mtime=0)), _check(_with_manifest(data)))
    return tuple(one for one in found if one is not None)


def _check(archive: bytes) -> Proven | None:
    try:
        proven = prove_archive(BytesIO(archive))
    except BadBackup as bad:
        _is_a_sentence(str(bad))
        return None
    except ConfigError:
        return None
    for part, item in proven.parts:
        assert PART_NAME.fullmatch(part.name)
        assert part.size <= item.kind.most_bytes
        assert rooted(ROOT, item.place).is_relative_to(ROOT)
    assert text_for(proven, None) == proven.text
    _check_relocated(proven)
    return proven


def _with_manifest(manifest: bytes) -> bytes:
    """Return an archive with the parts of the seeds and this manifest."""
    written = BytesIO()
    with ArchiveWriter(written.write, 0) as writer:
        for number, (key, content) in enumerate(seeds.BACKED_UP.items(), start=1):
            writer.add(part_name(number, key), content)
        writer.add(MANIFEST_NAME, manifest)
    return written.getvalue()


def _is_a_sentence(text: str) -> None:
    assert text.isprintable()
    assert 0 < len(text) < 1_000


def _check_relocated(proven: Proven) -> None:
    file = rooted(ROOT, Path(proven.manifest.configuration))
    try:
        config = read(text_for(proven, ROOT), directory=file.parent)
    except (CannotRelocate, ConfigError):  # Of a socket, whose name may have become too long.
        return
    assert config.server.host == proven.config.server.host
    directory = config.server.state_directory
    assert directory is None or rooted(None, directory).is_relative_to(ROOT)
