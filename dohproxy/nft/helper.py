"""The process `dohproxy-nft`: a Unix socket, one service at it, and nft.

It is one thread that does one thing at a time: while nft works nobody is read, which is how the service is slowed down.
"""

import json
import os
import re
import selectors
import socket
import stat
import struct
import subprocess
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Final

from dohproxy.nft.drops import Drops
from dohproxy.nft.protocol import (
    MOST_IN_LINE,
    MOST_LINE,
    Done,
    Failed,
    Look,
    Malformed,
    Recall,
    Recalled,
    Reply,
    read_command,
    write_hello,
    write_recalled,
    write_reply,
)
from dohproxy.nft.ruleset import reading, removal

NFT_SECONDS: Final = 10.0
"""For one transaction. 10,000 networks take a fraction of a second."""
SEND_SECONDS: Final = 5.0
"""For a service to take a reply, which its kernel does unless nobody reads there any more."""
SOCKET_MODE: Final = 0o660
"""Whoever may use the socket is in the group of the directory; who it is is asked of the kernel besides."""
_PATH: Final = "/usr/local/sbin:/usr/sbin:/sbin:/usr/local/bin:/usr/bin:/bin"
_CREDENTIALS: Final = struct.Struct("=iII")

Say = Callable[[str], None]


class NftFailed(Exception):
    """nft has not done it; the message is for the operator and has no address."""


class Nft:
    """The program nft: no shell, no argument that anybody sends, and an end by the clock."""

    def __init__(self, program: str = "nft") -> None:
        self._program = program

    def load(self, script: str) -> None:
        """Carry out a script, wholly or not at all. Raises NftFailed."""
        self._run(("-f", "-"), script)

    def packets(self) -> int:
        """Return how many packets the table has dropped. Raises NftFailed if it is not there any more."""
        try:
            found = json.loads(self._run(reading(), ""))["nftables"]
            return sum(int(one["counter"]["packets"]) for one in found if "counter" in one)
        except (ValueError, KeyError, TypeError):
            raise NftFailed("has said something else than what it counted") from None

    def _run(self, arguments: tuple[str, ...], script: str) -> str:
        environment = {"PATH": _PATH, "LC_ALL": "C"}
        try:
            run = subprocess.run(  # noqa: S603  # the arguments are ours
                [self._program, *arguments],
                input=script,
                capture_output=True,
                text=True,
                timeout=NFT_SECONDS,
                env=environment,
                check=False,
            )
        except FileNotFoundError:
            raise NftFailed("is not installed; on Debian: apt-get install nftables") from None
        except (OSError, subprocess.TimeoutExpired) as error:
            raise NftFailed(f"does not run ({type(error).__name__})") from None
        if run.returncode:
            raise NftFailed(f"has failed: {_reason(run.stderr)}")
        return run.stdout


def _reason(said: str) -> str:
    """Return what nft says is wrong, without the line it complains of, in which addresses stand."""
    found = re.search(r"Error: ([^\n]{1,150})", said)
    words = found[1] if found is not None else "it does not say why"
    return re.sub(r"[0-9a-fA-F:.]*[:.][0-9a-fA-F:.]+(/\d+)?", "…", words)


class Helper:
    """Whoever is connected, and what he has said so far of his next line."""

    def __init__(
        self,
        listening: socket.socket,
        allowed: int,
        drops: Drops,
        nft: Nft,
        say: Say,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`allowed`: the user whose processes are listened to, and no other's; `say` writes a line to the journal."""
        self._listening = listening
        self._allowed = allowed
        self._drops = drops
        self._nft = nft
        self._say = say
        self._clock = clock
        self._selector = selectors.DefaultSelector()
        self._service: socket.socket | None = None
        self._unread = b""

    def serve(self, wake: socket.socket, ready: Callable[[], None] = lambda: None) -> None:
        """Serve until something can be read from `wake`, then remove the table. Raises NftFailed if there can be none.

        The table goes too: without us nobody could let anybody in again by command. `ready` is called when it is there.
        """
        self._nft.load(self._drops.creation())
        ready()
        self._selector.register(self._listening, selectors.EVENT_READ, self._accept)
        self._selector.register(wake, selectors.EVENT_READ, None)
        try:
            while True:
                for key, _ in self._selector.select():
                    if key.data is None:
                        return
                    key.data()
        finally:
            self._leave()
            self._selector.close()
            self._nft.load(removal())

    def _accept(self) -> None:
        try:
            accepted, _ = self._listening.accept()
        except OSError:  # Gone already, or no descriptors: the next one is looked at again.
            return
        user = peer_user(accepted)
        if user != self._allowed:
            self._say(f"a process of user {user} is not listened to, as the service is user {self._allowed} (--user)")
            accepted.close()
            return
        # The last one wins: a service that was started anew must not wait for the one that hangs.
        self._leave()
        self._drops.begin()
        accepted.settimeout(SEND_SECONDS)
        self._service = accepted
        self._selector.register(accepted, selectors.EVENT_READ, partial(self._read, accepted))
        self._send(write_hello(self._drops.hello))
        self._say("the service is connected")

    def _leave(self) -> None:
        """Close the connection. What is dropped ends by itself, within the hour."""
        if self._service is not None:
            self._selector.unregister(self._service)
            self._service.close()
            self._service = None
        self._unread = b""

    def _read(self, service: socket.socket) -> None:
        if service is not self._service:  # Replaced in this very turn.
            return
        try:
            data = service.recv(MOST_LINE)
        except OSError:
            data = b""
        if not data:
            self._say("the service is gone; what is dropped ends by itself")
            self._leave()
            return
        *lines, self._unread = (self._unread + data).split(b"\n")
        for line in lines:
            if not self._take(line):
                return
        if len(self._unread) > MOST_LINE:
            self._end("the service has sent a line that is too long", "a line is too long")

    def _take(self, line: bytes) -> bool:
        """Carry out one line; return whether the connection goes on."""
        try:
            command = read_command(line)
            if isinstance(command, Recall):
                self._recall()
                return self._service is not None
            step = self._drops.take(command, self._clock())
            if step is None:
                return True
            self._reply(self._carry_out(step.script, step.done, counts=isinstance(command, Look)))
        except Malformed as error:
            self._end(f"the service has sent what {error}", f"what was sent {error}")
        except NftFailed as error:
            self._end(f"nft {error}", f"nft {error}")
        return self._service is not None

    def _recall(self) -> None:
        """Tell what is dropped, as far as it has not ended; the last line is empty."""
        networks = self._drops.networks(self._clock())
        for start in range(0, len(networks) + MOST_IN_LINE, MOST_IN_LINE):
            self._send(write_recalled(Recalled(tuple(networks[start : start + MOST_IN_LINE]))))

    def _carry_out(self, script: str, done: Done, *, counts: bool) -> Reply:
        if script:
            self._nft.load(script)
        return Done(done.held, done.refused, self._nft.packets()) if counts else done

    def _end(self, sentence: str, why: str) -> None:
        self._say(f"{sentence}; the connection is closed, and a snapshot will come with the next")
        self._drops.begin()
        self._reply(Failed(why))
        self._leave()

    def _reply(self, reply: Reply) -> None:
        self._send(write_reply(reply))

    def _send(self, line: bytes) -> None:
        if self._service is None:
            return
        try:
            self._service.sendall(line)
        except OSError:
            self._leave()


def peer_user(connected: socket.socket) -> int:
    """Return the user of the process at the other end of a Unix socket, as the kernel knows it (unix(7))."""
    credentials = connected.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    _, user, _ = _CREDENTIALS.unpack(credentials)
    return int(user)


def notify_ready(address: str) -> None:
    """Tell systemd that we serve, at the address it has given in NOTIFY_SOCKET (sd_notify(3))."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notifying:
        notifying.sendto(b"READY=1", f"\0{address[1:]}" if address.startswith("@") else address)


def listen(path: Path) -> socket.socket:
    """Return a listening Unix socket at a path; one that an earlier run has left there goes. Raises OSError."""
    _remove_socket(path)
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    before = os.umask(0o777 & ~SOCKET_MODE)
    try:
        listening.bind(str(path))
    except OSError:
        listening.close()
        raise
    finally:
        os.umask(before)
    listening.listen(4)
    return listening


def _remove_socket(path: Path) -> None:
    try:
        if stat.S_ISSOCK(path.lstat().st_mode):
            path.unlink()
    except FileNotFoundError:
        return
