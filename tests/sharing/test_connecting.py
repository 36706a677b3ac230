"""What is said when there is no connection to the store."""

import ssl
from pathlib import Path

import pytest
from valkey.exceptions import ConnectionError as StoreConnectionError

from dohproxy.config import NodesConfig
from dohproxy.config.store_address import StoreAddress
from dohproxy.sharing.connecting import Unfit, explain, read_secrets

ADDRESS = StoreAddress("tcp", "127.0.0.1", 6379)


def caused(cause: Exception) -> Exception:
    """Return what the client library makes of it."""
    error = StoreConnectionError("no connection")
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (Unfit("is version 6"), "is version 6"),
        (caused(ConnectionRefusedError(111, "Connection refused")), "cannot be reached: Connection refused"),
        (TimeoutError(), "does not answer"),
        (caused(TimeoutError()), "does not answer"),
        (StoreConnectionError("Timeout connecting to server"), "does not answer"),
        (StoreConnectionError("Connection closed by server."), "closed by server"),
    ],
)
def test_the_operator_is_told_why(error: Exception, says: str) -> None:
    assert says in explain(error, ADDRESS)


def test_a_certificate_that_is_not_believed_is_called_that() -> None:
    error = ssl.SSLCertVerificationError(1, "certificate verify failed")
    error.verify_message = "self-signed certificate"
    assert "not believed: self-signed certificate" in explain(caused(error), ADDRESS)


def test_the_password_is_the_first_line_of_its_file(tmp_path: Path) -> None:
    (tmp_path / "key").write_bytes(b"k" * 32)
    (tmp_path / "password").write_text("first\nsecond\n", encoding="utf-8")
    config = NodesConfig(ADDRESS, tmp_path / "key", password_file=tmp_path / "password")
    assert read_secrets(config) == (b"k" * 32, "first")
    assert read_secrets(NodesConfig(ADDRESS, tmp_path / "key")) == (b"k" * 32, None)
