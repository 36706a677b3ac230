"""What a name leads to is opened at once or not at all."""

import os
import socket
from pathlib import Path

import pytest

from dohproxy.regular_file import NotRegular, open_regular, read_regular


def _make(kind: str, path: Path) -> Path:
    match kind:
        case "a named pipe":
            os.mkfifo(path)
        case "a directory":
            path.mkdir()
        case "a device":
            return Path("/dev/zero")
        case _:
            path.symlink_to(path)
    return path


def test_a_file_is_read_to_its_end_or_to_a_bound(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"content")
    (tmp_path / "link").symlink_to(path)
    assert (read_regular(path, 100), read_regular(tmp_path / "link", 3)) == (b"content", b"con")
    with open_regular(path, buffering=0) as file:
        assert file.read(4) == b"cont"


@pytest.mark.parametrize(
    ("kind", "error"),
    [
        ("a named pipe", NotRegular),
        ("a device", NotRegular),
        ("a directory", IsADirectoryError),
        ("a loop of links", OSError),
    ],
)
def test_another_kind_is_refused_without_waiting_and_left_closed(
    kind: str, error: type[OSError], tmp_path: Path
) -> None:
    path = _make(kind, tmp_path / "file")
    before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208 - descriptors
    with pytest.raises(error) as caught:
        open_regular(path)
    assert caught.value.strerror
    assert len(os.listdir("/proc/self/fd")) == before  # noqa: PTH208


def test_a_socket_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "socket"
    with socket.socket(socket.AF_UNIX) as bound:
        bound.bind(str(path))
        with pytest.raises(OSError, match="No such device or address"):
            open_regular(path)


def test_what_can_be_no_name_is_refused() -> None:
    with pytest.raises(ValueError, match="null"):
        open_regular(Path("a\0b"))
