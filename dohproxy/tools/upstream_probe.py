"""Asks an upstream one question and watches closely: for an operator at a terminal, not for the service.

The service's transports tell apart what they must to go on; here it matters why something failed. What is sent is the
same but for what is drawn, over the same protocol and with the same trust. Where the service would hold a trial of what
the upstream can stand, one is held here.
"""

import asyncio
import os
import secrets
import socket
import ssl
import struct
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from dohproxy.config import UpstreamConfig
from dohproxy.config.additions import Addition
from dohproxy.tools.observation import Observation, TlsSeen, Trouble
from dohproxy.upstream.results import SendStatus
from dohproxy.upstream.root_question import PROBE_SECONDS
from dohproxy.upstream.spoofing.cookies import CLIENT_COOKIE_BYTES
from dohproxy.upstream.transports.connection import LENGTH_BYTES
from dohproxy.upstream.transports.socket_address import host_of, socket_address_of
from dohproxy.upstream.transports.tls import context_for, limit_key_exchange, pin_of, read_certificate
from dohproxy.upstream.workarounds.trial import Additions, is_whole
from dohproxy.upstream.workarounds.workarounds import OVER_TCP, OVER_TLS, OVER_UDP, Workarounds, write_query
from dohproxy.wire.answer import Answer, parse_reply
from dohproxy.wire.edns import write_opt
from dohproxy.wire.malformed import Malformed
from dohproxy.wire.matching import is_reply_to, is_reply_without_question, repeats_case
from dohproxy.wire.name import vary_case
from dohproxy.wire.numbers import CLASS_IN, LARGEST_MESSAGE_BYTES, RD, TC, Qtype
from dohproxy.wire.query import Query, parse_query
from dohproxy.wire.upstream_query import upstream_question

READ_BYTES: Final = 65_536
TC_OF_THIRD_BYTE: Final = TC >> 8
_NOT_TLS: Final = frozenset({"WRONG_VERSION_NUMBER", "HTTP_REQUEST", "PACKET_LENGTH_TOO_LONG", "RECORD_LAYER_FAILURE"})
"""How OpenSSL says that what came is no TLS."""
_EVERY_SECOND: Final = bytes((0x00, 0x20)) * 128
"""Noise for a case that no server would make of a name by itself, as it might of one that is drawn."""


_ADDITIONS: Final = {"udp": OVER_UDP, "tcp": OVER_TCP, "tls": OVER_TLS}
_RESULTS: Final = {
    Trouble.SILENT: SendStatus.TIMEOUT,
    Trouble.NOT_DNS: SendStatus.TIMEOUT,
    Trouble.UNREADABLE: SendStatus.UNUSABLE,
    Trouble.CLOSED_ON_QUERY: SendStatus.LOST,
}
"""The troubles that what is in the query may have caused; all others come before there is a query."""


def probe_query(qname: bytes) -> Query:
    """Return the query for the name servers of `qname` (wire form, lower case) and their signatures."""
    head = struct.pack("!6H", 0, RD, 1, 0, 0, 1)
    return parse_query(head + qname + struct.pack("!HH", Qtype.NS, CLASS_IN) + write_opt(b"", dnssec_ok=True))


async def probe_all(upstreams: Sequence[UpstreamConfig], query: Query, *, seconds: float) -> list[Observation]:
    """Send `query` once to each, all at the same time, and return what was seen within `seconds`.

    To those that may only not stand something in it, it goes out some times more, with less. Reads the authorities
    first, and raises OSError if it cannot; what happens on the network raises nothing.
    """
    trusting = _trusting_context()
    contexts = [_Contexts(context_for(one), trusting) for one in upstreams]
    async with asyncio.TaskGroup() as tasks:
        probes = [
            tasks.create_task(_examine(one, query, both, seconds))
            for one, both in zip(upstreams, contexts, strict=True)
        ]
    return [probe.result() for probe in probes]


async def _examine(upstream: UpstreamConfig, query: Query, contexts: "_Contexts", seconds: float) -> Observation:
    """Ask as the service does; where that goes wrong, find out whether it goes better without something."""
    clock = asyncio.get_running_loop().time
    workarounds = Workarounds(_ADDITIONS[upstream.url.transport], upstream.leave_out)

    async def ask(additions: Additions, seconds: float) -> tuple[Observation, Answer | SendStatus]:
        seen = await _Probe(upstream, query, contexts, clock() + seconds, additions).run()
        outcome = _outcome_of(seen)
        workarounds.heard(additions, outcome, clock())
        return seen, outcome

    seen, _ = await ask(workarounds.in_use, seconds)
    if not workarounds.wants_trial(clock()):
        return seen
    trial = workarounds.begin_trial()
    better: Observation | None = None
    while (additions := trial.next_additions()) is not None:
        one, outcome = await ask(additions, min(seconds, PROBE_SECONDS))
        trial.learn(outcome)
        if isinstance(outcome, Answer) and is_whole(outcome):
            better = one
    workarounds.conclude(trial, clock())
    not_stood = tuple((one.addition, one.how) for one in workarounds.left_out)
    return replace(better, not_stood=not_stood) if better is not None and not_stood else seen


def _outcome_of(seen: Observation) -> Answer | SendStatus:
    """Return what was seen in the words of a trial."""
    if seen.reply is not None:
        return seen.reply.answer
    return SendStatus.UNSENT if seen.trouble is None else _RESULTS.get(seen.trouble, SendStatus.UNSENT)


@dataclass(frozen=True, slots=True)
class _Contexts:
    """One to ask with, and one to look at a certificate that was refused; no query is ever sent with that."""

    verifying: ssl.SSLContext
    trusting: ssl.SSLContext


def _trusting_context() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    limit_key_exchange(context)
    return context


class _Failed(Exception):
    """The probe has come to its end without a reply."""

    def __init__(self, trouble: Trouble, detail: str = "") -> None:
        super().__init__(trouble)
        self.trouble = trouble
        self.detail = detail


class _Probe:
    """One query to one upstream; what has been seen of it so far stands in `_seen`."""

    def __init__(
        self, upstream: UpstreamConfig, query: Query, contexts: _Contexts, until: float, additions: Additions
    ) -> None:
        self._seen = Observation(upstream, query, added=additions)
        self._additions = additions
        self._address = upstream.url
        self._query = query
        self._contexts = contexts
        self._until = until
        self._loop = asyncio.get_running_loop()
        self._identifier = secrets.randbelow(0x1_0000)
        self._question = upstream_question(query)
        self._sent_at = 0.0

    async def run(self) -> Observation:
        """Ask, and return what was seen."""
        try:
            await (self._ask_over_udp() if self._address.transport == "udp" else self._ask_over_stream())
        except _Failed as failure:
            self._seen = replace(self._seen, trouble=failure.trouble, detail=failure.detail)
        except ConnectionRefusedError:
            self._seen = replace(self._seen, trouble=Trouble.NOBODY)
        except OSError as error:
            self._seen = replace(self._seen, trouble=Trouble.NO_WAY, detail=_words_of(error))
        return self._seen

    # --- UDP ---

    async def _ask_over_udp(self) -> None:
        cookie = secrets.token_bytes(CLIENT_COOKIE_BYTES) if Addition.COOKIE in self._additions else b""
        if Addition.CASE in self._additions:
            self._question = _in_mixed_case(self._query.qname) + self._question[-4:]
        self._seen = replace(self._seen, cookie=cookie)
        wire = self._wire(cookie)
        with socket.socket(self._family, socket.SOCK_DGRAM) as sock:
            sock.setblocking(False)
            sock.connect(socket_address_of(self._address))
            heard = False
            try:
                async with asyncio.timeout_at(self._until):
                    self._sent_at = self._loop.time()
                    await self._loop.sock_sendall(sock, wire)
                    while not self._take(await self._loop.sock_recv(sock, LARGEST_MESSAGE_BYTES)):
                        heard = True
                        await asyncio.sleep(0)
            except TimeoutError:
                raise _Failed(Trouble.NOT_DNS if heard else Trouble.SILENT) from None

    # --- TCP and TLS ---

    async def _ask_over_stream(self) -> None:
        started = self._loop.time()
        with socket.socket(self._family, socket.SOCK_STREAM) as sock:
            await self._connect(sock)
            reader, writer = await (self._handshake(sock) if self._address.transport == "tls" else _open(sock))
            try:
                self._sent_at = self._loop.time()
                self._seen = replace(self._seen, connect_seconds=self._sent_at - started)
                await self._exchange(reader, writer)
            finally:
                await _abort(writer)

    async def _connect(self, sock: socket.socket) -> None:
        sock.setblocking(False)
        try:
            async with asyncio.timeout_at(self._until):
                await self._loop.sock_connect(sock, socket_address_of(self._address))
        except TimeoutError:
            raise _Failed(Trouble.NO_CONNECTION) from None

    async def _handshake(self, sock: socket.socket) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        try:
            async with asyncio.timeout_at(self._until):
                reader, writer = await _open(sock, self._contexts.verifying, self._address.name_to_verify)
        except TimeoutError:
            raise _Failed(Trouble.NO_HANDSHAKE) from None
        except ssl.SSLCertVerificationError as error:
            self._seen = replace(self._seen, tls=await self._look_again())
            raise _Failed(Trouble.CERTIFICATE, error.verify_message.rstrip(".")) from None
        except ssl.SSLEOFError:
            raise _Failed(Trouble.CLOSED_AT_ACCEPT) from None
        except ssl.SSLError as error:
            raise _failed_tls(error) from None
        except ConnectionError as error:
            raise _Failed(Trouble.CLOSED_AT_ACCEPT, _words_of(error)) from None
        self._seen = replace(self._seen, tls=_tls_seen(writer))
        return reader, writer

    async def _look_again(self) -> TlsSeen | None:
        """Look at a certificate that was refused: on a second connection, as OpenSSL shows none on the first."""
        try:
            async with asyncio.timeout_at(self._until):
                _, writer = await asyncio.open_connection(
                    host_of(self._address),
                    self._address.port,
                    ssl=self._contexts.trusting,
                    server_hostname=self._address.name_to_verify,
                )
        except OSError:
            return None
        try:
            return _tls_seen(writer)
        finally:
            await _abort(writer)

    async def _exchange(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        wire = self._wire()
        writer.write(len(wire).to_bytes(LENGTH_BYTES) + wire)
        heard = b""
        try:
            async with asyncio.timeout_at(self._until):
                while data := await reader.read(READ_BYTES):
                    heard += data
                    end = LENGTH_BYTES + int.from_bytes(heard[:LENGTH_BYTES])
                    if len(heard) >= end > LENGTH_BYTES:
                        if self._take(heard[LENGTH_BYTES:end]):
                            return
                        break
        except TimeoutError:
            raise _Failed(Trouble.NOT_DNS if heard else Trouble.SILENT) from None
        except ssl.SSLError as error:
            raise _failed_tls(error) from None
        except ConnectionError as error:
            raise _Failed(Trouble.CLOSED_ON_QUERY, _words_of(error)) from None
        raise _Failed(Trouble.NOT_DNS if heard else Trouble.CLOSED_ON_QUERY)

    # --- Both ---

    @property
    def _family(self) -> socket.AddressFamily:
        return socket.AF_INET6 if ":" in self._address.host else socket.AF_INET

    def _wire(self, cookie: bytes = b"") -> bytes:
        """Return the query."""
        return write_query(self._query, self._identifier, self._additions, question=self._question, cookie=cookie)

    def _take(self, wire: bytes) -> bool:
        """Note the reply if this is it."""
        repeats_question = is_reply_to(wire, self._identifier, self._question)
        if not repeats_question and not is_reply_without_question(wire, self._identifier):
            return False
        self._seen = replace(
            self._seen,
            answer_seconds=self._loop.time() - self._sent_at,
            repeats_question=repeats_question,
            repeats_case=repeats_case(wire, self._question),
        )
        try:
            is_datagram = self._address.transport == "udp"
            reply = parse_reply(wire, self._query, is_datagram=is_datagram)
        except Malformed as fault:
            raise _Failed(Trouble.UNREADABLE, str(fault)) from None
        says_when_it_cuts = bool(wire[2] & TC_OF_THIRD_BYTE) or not reply.answer.truncated
        self._seen = replace(self._seen, reply=reply, says_when_it_cuts=says_when_it_cuts)
        return True


def _in_mixed_case(qname: bytes) -> bytes:
    mixed = vary_case(qname, _EVERY_SECOND[: len(qname)])
    return mixed if mixed != qname else qname.upper()


async def _open(
    sock: socket.socket, context: ssl.SSLContext | None = None, name: str | None = None
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    return await asyncio.open_connection(sock=sock, ssl=context, server_hostname=name)


async def _abort(writer: asyncio.StreamWriter) -> None:
    writer.transport.abort()
    # The socket is closed in the loop's next turn.
    await asyncio.sleep(0)


def _words_of(error: OSError) -> str:
    return "" if error.errno is None else os.strerror(error.errno)


def _failed_tls(error: ssl.SSLError) -> _Failed:
    reason = error.reason or ""
    detail = reason.lower().replace("_", " ")
    if "_ALERT_" in reason:
        return _Failed(Trouble.TLS_ALERT, detail.partition("alert ")[2])
    return _Failed(Trouble.NOT_TLS if reason in _NOT_TLS else Trouble.TLS_FAILED, detail)


def _tls_seen(writer: asyncio.StreamWriter) -> TlsSeen:
    shown = writer.get_extra_info("ssl_object")
    certificate = shown.getpeercert(binary_form=True) or b""
    names, not_after = read_certificate(certificate)
    return TlsSeen(shown.version(), names, not_after, pin_of(certificate))
