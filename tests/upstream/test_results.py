"""Whose fault an error of the socket is."""

import errno
import ssl

import pytest

from dohproxy.upstream.results import Result, result_of


@pytest.mark.parametrize(
    ("error", "result"),
    [
        pytest.param(ConnectionRefusedError(errno.ECONNREFUSED, ""), Result.UNREACHABLE, id="refused"),
        pytest.param(OSError(errno.ENETUNREACH, ""), Result.NO_ROUTE, id="no route"),
        pytest.param(PermissionError(errno.EPERM, ""), Result.NO_ROUTE, id="a firewall of our own"),
        pytest.param(TimeoutError(), Result.UNREACHABLE, id="no connection in time"),
        pytest.param(ssl.SSLCertVerificationError("wrong name"), Result.UNREACHABLE, id="wrong certificate"),
        pytest.param(OSError(errno.EMFILE, ""), Result.UNSENT, id="out of descriptors"),
        pytest.param(OSError(errno.ENOBUFS, ""), Result.UNSENT, id="out of buffers"),
    ],
)
def test_a_shortage_at_home_is_not_held_against_the_upstream(error: OSError, result: Result) -> None:
    assert result_of(error) is result
