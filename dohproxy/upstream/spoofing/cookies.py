"""DNS cookies with one upstream, the client's half (RFC 7873, RFC 9018).

Eight random bytes of ours go out with each query over UDP and come back with each reply: who cannot see our packets
cannot forge one. With them comes the server's cookie, which spares us its defences against forged source addresses.

Over TCP there are none: the sequence numbers already show each side that the other sees its packets, so RFC 7873
section 5.2.3 has servers answer there in any case, and a cookie would only make us recognisable.
"""

from collections.abc import Callable
from typing import Final

from dohproxy.upstream.spoofing.echo_support import EchoState, EchoSupport

CLIENT_COOKIE_BYTES: Final = 8
SERVER_COOKIE_BYTES: Final = range(8, 33)
"""RFC 7873 section 4.2; those of RFC 9018 have 16."""
RENEWAL_SECONDS: Final = 86_400.0
"""The life of a client cookie: a day, as in c-ares and well under the 36 of RFC 7873 section 7.1."""


class Cookies:
    """The cookies of one upstream. `draw` returns so many random bytes: what we send follows from no client's query."""

    def __init__(self, draw: Callable[[int], bytes]) -> None:
        self.echo_support = EchoSupport()
        self._draw = draw
        self._client = b""
        self._server = b""
        self._own_address = ""
        self._renew_at = float("-inf")

    def option(self, own_address: str, now: float) -> bytes:
        """Return the data of the option for a query from `own_address`; b"": send none."""
        if self.echo_support.state(now) is EchoState.GIVEN_UP:
            return b""
        if own_address != self._own_address or now >= self._renew_at:
            # One cookie under two addresses would say that they are one machine's (RFC 9018 section 3).
            self._own_address = own_address
            self._renew_at = now + RENEWAL_SECONDS
            self._client = self._draw(CLIENT_COOKIE_BYTES)
            self._server = b""
        return self._client + self._server

    def may_be_reply(self, sent: bytes, received: bytes | None, now: float) -> bool:
        """Tell whether a reply with the option `received` can be the upstream's to a query with the option `sent`."""
        if not sent:
            return True
        if received is None:
            return self.echo_support.state(now) is not EchoState.ESTABLISHED
        # RFC 7873 section 5.3: discard what has an illegal length or another client cookie.
        return received[:CLIENT_COOKIE_BYTES] == sent[:CLIENT_COOKIE_BYTES] and _is_legal(received)

    def learn(self, sent: bytes, received: bytes | None, now: float) -> None:
        """Learn from an accepted reply, whatever its rcode: whether the upstream stands the option at all is a matter
        of its `Workarounds`."""
        if not sent:
            return
        if received is None:
            self.echo_support.lacked(now)
        elif len(received) > CLIENT_COOKIE_BYTES:
            self.echo_support.shown(now)
            # A server cookie belongs to one client cookie, and ours may have been renewed meanwhile.
            if received[:CLIENT_COOKIE_BYTES] == self._client:
                self._server = received[CLIENT_COOKIE_BYTES:]


def _is_legal(received: bytes) -> bool:
    server_bytes = len(received) - CLIENT_COOKIE_BYTES
    return server_bytes == 0 or server_bytes in SERVER_COOKIE_BYTES
