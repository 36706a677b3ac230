"""What RESINFO says of this service (RFC 9606): which extended errors it may send, and where there is more to read."""

from collections.abc import Iterable, Iterator
from typing import Final

from dohproxy.config import Config
from dohproxy.policy.discovery.records import character_strings
from dohproxy.policy.discovery.served import HTTPS_PORT, public_port
from dohproxy.wire.numbers import ExtendedError

OF_VALIDATION: Final = frozenset({1, 2, 5, 6, 7, 8, 9, 10, 11, 12, 25, 27})
"""EDE codes of who validates DNSSEC (RFC 8914 section 4, RFC 9276 section 3.2, and 25 of IANA's registry): the
upstreams', which are passed on."""
POLICY_PATH: Final = "/policy"


def information_of(config: Config) -> bytes:
    """Return the rdata: keys and values as in DNS-SD (RFC 6763 section 6)."""
    return character_strings(*(text.encode() for text in _entries(config)))


def told_errors(config: Config) -> frozenset[int]:
    """Return the EDE codes that clients may meet: all of our own, and those of upstreams that validate. What else an
    upstream says is passed on too, and not known here."""
    validates = any(upstream.validates for upstream in config.upstreams)
    return frozenset(map(int, ExtendedError)) | (OF_VALIDATION if validates else frozenset())


def ranges_of(codes: Iterable[int]) -> str:
    """Write numbers as RFC 9606 section 5 does: "3,13-23"."""
    runs: list[list[int]] = []
    for code in sorted(set(codes)):
        if runs and code == runs[-1][-1] + 1:
            runs[-1].append(code)
        else:
            runs.append([code])
    return ",".join(str(run[0]) if len(run) == 1 else f"{run[0]}-{run[-1]}" for run in runs)


def _entries(config: Config) -> Iterator[str]:
    if config.discovery.qname_minimisation:
        yield "qnamemin"
    yield f"exterr={ranges_of(told_errors(config))}"
    if config.pages.enabled:
        port = public_port(config)
        authority = config.server.host if port == HTTPS_PORT else f"{config.server.host}:{port}"
        yield f"infourl=https://{authority}{POLICY_PATH}"
