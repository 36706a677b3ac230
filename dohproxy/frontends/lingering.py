"""The end of a connection, when the last word is written: what its client still sends is read and thrown away.

A socket that is closed with bytes unread is reset, and the reset overtakes what was written: the client, or the proxy
before it, would never see why it was refused, or which of its requests were answered. So the connection is closed in
one direction, and altogether when the client has read that.
"""

import asyncio
from typing import Final

from dohproxy.frontends.kernel_buffers import cut

LINGERING_SECONDS: Final = 1.0
"""How long what still comes is read; nginx gives five. Clients close at once when they read the end."""
LINGERING_BYTES: Final = 1_048_576
"""How much of it; who sends more does not read what it is told."""


class Lingering:
    """One connection on its way out. Made when all is written that will be."""

    def __init__(self, transport: asyncio.Transport, *, is_at_end: bool = False) -> None:
        """`is_at_end`: the client has said that it sends nothing more."""
        self._transport = transport
        self._left = LINGERING_BYTES
        self._timer: asyncio.TimerHandle | None = None
        if is_at_end or transport.get_extra_info("ssl_object") is not None:
            transport.close()  # Nothing more comes, or the transport lingers by itself.
            return
        try:
            transport.write_eof()
        except OSError:
            cut(transport)  # It has gone already.
            return
        transport.resume_reading()
        self._timer = asyncio.get_running_loop().call_later(LINGERING_SECONDS, transport.close)

    def pass_over(self, count: int) -> None:
        """Throw so many bytes away."""
        self._left -= count
        if self._left < 0:
            cut(self._transport)

    def stop(self) -> None:
        """The connection is lost."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
