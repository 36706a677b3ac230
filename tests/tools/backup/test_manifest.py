"""What a backup says of itself is read as what a stranger may have written."""

import json
from typing import Any

import pytest

from dohproxy.tools.backup.manifest import (
    PART_NAME,
    BadBackup,
    LeftOut,
    Manifest,
    Part,
    Why,
    decode,
    encode,
    part_name,
)

PART = Part("001-configuration", "configuration", 7, "0" * 64, 0o640, "root", "dohproxy")
WHOLE = Manifest(
    "1.0", 1_800_000_000, "doh.example.net", "/etc/dohproxy.toml", (PART,), (LeftOut("tls.key", Why.KEYS),)
)


def test_what_is_written_is_read_again() -> None:
    assert decode(encode(WHOLE)) == WHOLE
    assert WHOLE.why_without("tls.key") is Why.KEYS
    assert WHOLE.why_without("configuration") is None


def changed(path: tuple[str | int, ...], value: Any) -> bytes:
    """Return a manifest in which one thing is something else."""
    found: Any = json.loads(encode(WHOLE))
    place = found
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = value
    return json.dumps(found).encode()


HOSTILE = [
    (("what",), "something else"),
    (("format",), 2),
    (("configuration",), "etc/dohproxy.toml"),
    (("configuration",), "/etc/../dohproxy.toml"),
    (("configuration",), "/"),
    (("configuration",), "/etc/a\nb"),
    (("host",), "doh\x1b[2J"),
    (("host",), "x" * 5_000),
    (("made_at",), -1),
    (("made_at",), True),
    (("parts",), {}),
    (("parts",), [json.loads(encode(WHOLE))["parts"][0]] * 513),
    (("parts", 0, "name"), "../a"),
    (("parts", 0, "name"), ".a"),
    (("parts", 0, "mode"), 0o4755),
    (("parts", 0, "size"), -1),
    (("parts", 0, "sha256"), "0" * 63),
    (("parts", 0, "user"), "root; rm"),
    (("parts", 0, "key"), "tls\x00"),
    (("left_out", 0, "why"), "because"),
    (("left_out", 0), None),
]


@pytest.mark.parametrize(("path", "value"), HOSTILE, ids=[f"{'.'.join(map(str, path))}" for path, _ in HOSTILE])
def test_anything_else_is_refused(path: tuple[str | int, ...], value: Any) -> None:
    with pytest.raises(BadBackup, match="has a manifest that"):
        decode(changed(path, value))


@pytest.mark.parametrize("content", [b"", b"[]", b"{}", b"\xff", b"[" * 100_000], ids=str)
def test_what_is_no_manifest_is_refused(content: bytes) -> None:
    with pytest.raises(BadBackup):
        decode(content[:100_000])


@pytest.mark.parametrize(
    "key", ["configuration", "tls.key", "blocklist #12.file", "server.state_directory/hours.sqlite"]
)
def test_every_part_has_a_name_that_is_taken_back(key: str) -> None:
    assert PART_NAME.fullmatch(part_name(7, key))
