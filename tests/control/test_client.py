"""The other end of the admin socket: what is said where a command does not arrive."""

import contextlib
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from dohproxy.control import client
from dohproxy.control.client import Unreachable, send

SECONDS = 5.0


@contextlib.contextmanager
def saying(path: Path, answer: bytes | None) -> Iterator[None]:
    """Listen at a path, and say this to whoever asks; None: say nothing, and keep the connection."""
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(path))
        listening.listen()
        over = threading.Event()

        def serve() -> None:
            connected, _ = listening.accept()
            with connected:
                asked = b""
                while not asked.endswith(b"{}"):
                    asked += connected.recv(65_536)
                if answer is None:
                    over.wait(SECONDS)
                else:
                    connected.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()


def response(body: bytes, status: int = 200) -> bytes:
    return b"HTTP/1.1 %d X\r\ncontent-length: %d\r\n\r\n%b" % (status, len(body), body)


def test_what_is_said_is_given_with_its_status(tmp_path: Path) -> None:
    with saying(tmp_path / "a", response(b'{"sentence": "No.", "well": false}', 409)):
        answer = send(tmp_path / "a", "/v1/x", {}, SECONDS)
    assert (answer.status, answer.sentence, answer.body["well"]) == (409, "No.", False)


@pytest.mark.parametrize(
    ("said", "told"),
    [
        (b"", "closed the connection"),
        (b"HTTP/1.1 200", "is not dohproxy"),
        (b"SSH-2.0\r\n", "closed the connection"),
        (response(b"<html>"), "is not dohproxy, or another version"),
        (response(b"[]"), "is not dohproxy, or another version"),
    ],
    ids=["nothing", "half a line", "another protocol", "no JSON", "no object"],
)
def test_what_is_no_answer_is_told_in_a_sentence(tmp_path: Path, said: bytes, told: str) -> None:
    with saying(tmp_path / "a", said), pytest.raises(Unreachable, match=told):
        send(tmp_path / "a", "/v1/x", {}, SECONDS)


def test_an_answer_without_end_is_not_read_to_its_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "MOST_ANSWER_BYTES", 10)
    with saying(tmp_path / "a", response(b'{"sentence": "long"}')), pytest.raises(Unreachable):
        send(tmp_path / "a", "/v1/x", {}, SECONDS)


def test_who_does_not_answer_in_time_is_told_of(tmp_path: Path) -> None:
    with saying(tmp_path / "a", None), pytest.raises(Unreachable, match="did not answer within 0 s"):
        send(tmp_path / "a", "/v1/x", {}, 0.1)


def test_a_socket_that_is_not_there_is_told_with_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(Unreachable, match=r"There is no socket .*--config FILE"):
        send(tmp_path / "a", "/v1/x", {}, SECONDS)


def test_a_socket_at_which_nobody_listens_is_told(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(tmp_path / "a"))
    with pytest.raises(Unreachable, match="Nobody listens"):
        send(tmp_path / "a", "/v1/x", {}, SECONDS)


def test_a_file_that_is_no_socket_is_told(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("")
    with pytest.raises(Unreachable, match=r"Nobody listens|cannot be used as a socket"):
        send(tmp_path / "a", "/v1/x", {}, SECONDS)


def test_a_path_that_is_too_long_is_told(tmp_path: Path) -> None:
    with pytest.raises(Unreachable, match="cannot be used as a socket"):
        send(tmp_path / ("a" * 200), "/v1/x", {}, SECONDS)


def test_who_may_not_open_the_socket_is_told_whose_it_is(tmp_path: Path) -> None:
    (tmp_path / "a").touch()
    told = client._why(tmp_path / "a", PermissionError(13, "Permission denied"))
    assert "You may not open" in told
    assert "for the user " in told
    assert "sudo" in told
