"""Whose fault an error of the socket is."""

import errno
import ssl

import pytest

from dohproxy.upstream.results import SendStatus, result_of


@pytest.mark.parametrize(
    ("error", "result"),
    [
        pytest.param(ConnectionRefusedError(errno.ECONNREFUSED, ""), SendStatus.UNREACHABLE, id="refused"),
        pytest.param(OSError(errno.ENETUNREACH, ""), SendStatus.NO_ROUTE, id="no route"),
        pytest.param(PermissionError(errno.EPERM, ""), SendStatus.NO_ROUTE, id="a firewall of our own"),
        pytest.param(TimeoutError(), SendStatus.UNREACHABLE, id="no connection in time"),
        pytest.param(ssl.SSLCertVerificationError("wrong name"), SendStatus.UNREACHABLE, id="wrong certificate"),
        pytest.param(OSError(errno.EMFILE, ""), SendStatus.UNSENT, id="out of descriptors"),
        pytest.param(OSError(errno.ENOBUFS, ""), SendStatus.UNSENT, id="out of buffers"),
    ],
)
def test_a_shortage_at_home_is_not_held_against_the_upstream(error: OSError, result: SendStatus) -> None:
    assert result_of(error) is result
