"""Connects to the service as a client does, at each of its places, and notes what it meets. It judges nothing."""

import contextlib
import http.client
import socket
import ssl
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import Path
from typing import Any, Final

from dohproxy.config import Config, ListenAddress
from dohproxy.tls.certificates import Chain, read_chain
from dohproxy.tools.doctor.client_view import NOBODY, SILENT, Met, TlsShown
from dohproxy.tools.healthcheck import LOOPBACK_OF, ask_localhost, connect, connect_as_front_proxy
from dohproxy.x509 import UnreadableCertificate

MOST_AT_ONCE: Final = 16
"""Places that are looked at at the same time: as many as may be listened on."""
_FAR: Final = {4: "192.0.2.1", 6: "2001:db8::1"}
"""Addresses that nobody has (RFC 5737, RFC 3849): nothing is sent there, the kernel is asked for the way alone."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where to connect."""

    name: str
    address: ListenAddress
    is_own: bool = True
    """False: a front proxy's, that speaks TLS and wants no PROXY header."""


def own_addresses() -> list[IPv4Address | IPv6Address]:
    """Return the address of each family from which this machine reaches others, if there is a way to them."""
    found: list[IPv4Address | IPv6Address] = []
    for version, far in _FAR.items():
        family = socket.AF_INET if version == 4 else socket.AF_INET6
        with contextlib.suppress(OSError), socket.socket(family, socket.SOCK_DGRAM) as asked:
            asked.connect((far, 53))  # Of a datagram socket: no packet is sent.
            address = ip_address(asked.getsockname()[0].partition("%")[0])
            if not (address.is_loopback or address.is_link_local or address.is_unspecified):
                found.append(address)
    return found


def places_of(
    listen: Sequence[ListenAddress], own: Sequence[IPv4Address | IPv6Address], at: ListenAddress | None
) -> Iterator[Place]:
    """Yield where to look: each listener; where one is for all addresses, over loopback and at this machine's own; and
    where `at` says."""
    for one in listen:
        if one.kind == "tcp" and not one.port:
            continue  # Any free port: nobody but the service knows which.
        if one.host not in LOOPBACK_OF:
            yield Place(str(one), one)
            continue
        version = ip_address(one.host).version
        for host in (LOOPBACK_OF[one.host], *(str(address) for address in own if address.version == version)):
            address = replace(one, host=host)
            yield Place(str(address), address)
    if at is not None:
        yield Place(str(at), at, is_own=False)


def meet_all(places: Sequence[Place], config: Config, host: str, ca_file: Path | None) -> list[Met]:
    """Look at all places at the same time, each for some 15 s at most. Raises OSError if `ca_file`, authorities in
    place of the system's, cannot be used."""
    trusting = _context(ssl.create_default_context())
    verifying = ssl.create_default_context(cafile=ca_file)
    verifying.set_alpn_protocols(["h2", "http/1.1"])

    def meet(place: Place) -> Met:
        return _Client(place, config, host, verifying, trusting).meet()

    with ThreadPoolExecutor(max_workers=MOST_AT_ONCE) as threads:
        return list(threads.map(meet, places))


def _context(context: ssl.SSLContext) -> ssl.SSLContext:
    """Have a context trust everybody, to look at what others refuse; no question of anybody's is sent with it."""
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.set_alpn_protocols(["h2", "http/1.1"])
    return context


class _Client:
    """One client at one place."""

    def __init__(
        self, place: Place, config: Config, host: str, verifying: ssl.SSLContext, trusting: ssl.SSLContext
    ) -> None:
        self._place = place
        self._config = config
        self._host = host
        self._verifying = verifying
        self._trusting = trusting
        self._is_tls = config.tls is not None or not place.is_own

    def meet(self) -> Met:
        """Shake hands, look at the certificate, and ask."""
        met = Met(self._place.name)
        try:
            if self._is_tls:
                met = replace(met, tls=self._look_at_tls())
            with contextlib.closing(self._connect()) as plain:
                server = replace(self._config.server, host=self._host)
                status, media, body = ask_localhost(plain, server, is_tls=self._is_tls)
            return replace(met, status=status, media=media, body=body)
        except ConnectionRefusedError:
            return replace(met, trouble=NOBODY)
        except TimeoutError:
            return replace(met, trouble=SILENT)
        except UnreadableCertificate as error:
            return replace(met, trouble=f"shows a chain that {error}")
        except ssl.SSLError as error:
            return replace(met, trouble=f"does not speak TLS as a client does: {error.reason or error}")
        except (OSError, http.client.HTTPException) as error:
            words = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
            return replace(met, trouble=f"cannot be reached: {words or type(error).__name__}")

    def _connect(self) -> socket.socket:
        return (connect_as_front_proxy if self._place.is_own else _connect_alone)(self._place.address, self._config)

    def _look_at_tls(self) -> TlsShown:
        try:
            return self._shake_hands(self._verifying, "")
        except ssl.SSLCertVerificationError as error:
            return self._shake_hands(self._trusting, error.verify_message.rstrip("."))

    def _shake_hands(self, context: ssl.SSLContext, refusal: str) -> TlsShown:
        with (
            contextlib.closing(self._connect()) as plain,
            context.wrap_socket(plain, server_hostname=self._host) as tls,
        ):
            return TlsShown(_chain_of(tls), refusal, tls.version() or "", tls.selected_alpn_protocol())


def _connect_alone(address: ListenAddress, _: Config) -> socket.socket:
    return connect(address)


def _chain_of(tls: ssl.SSLSocket) -> Chain:
    """Return what was sent, as it was sent. Raises UnreadableCertificate."""
    public: Callable[[], list[bytes]] | None = getattr(tls, "get_unverified_chain", None)
    if public is not None:
        sent = "".join(map(ssl.DER_cert_to_PEM_cert, public()))
    else:  # Before Python 3.13 the same stands one object further in, and gives PEM.
        inner: Any = tls._sslobj  # type: ignore[attr-defined]
        sent = "".join(one.public_bytes() for one in inner.get_unverified_chain() or ())
    return read_chain(sent.encode())
