"""The command line of `dohproxy-nft`. Exit codes are those of `dohproxy`: 1 it cannot be done now, 2 the command line
cannot be understood, 78 what only a person can repair."""

import argparse
import contextlib
import os
import pwd
import shutil
import signal
import socket
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final, NoReturn

from dohproxy.nft.drops import Drops
from dohproxy.nft.helper import Helper, Nft, NftFailed, listen, notify_ready
from dohproxy.nft.protocol import Malformed, Network, read_network
from dohproxy.nft.ruleset import removal

SOCKET: Final = Path("/run/dohproxy-nft/socket")
HTTPS_PORT: Final = 443
EXIT_FAILED: Final = 1
EXIT_CONFIG: Final = 78


def main(arguments: Sequence[str] | None = None, nft: Nft | None = None) -> None:
    """Run until SIGTERM or SIGINT, and leave no table behind; or remove one that was left."""
    given = parser().parse_args(arguments)
    nft = nft or Nft()
    try:
        if given.clear:
            nft.load(removal())
            return
        _serve(given.socket, _user(given.user), Drops(given.port or [HTTPS_PORT], given.spare), nft)
    except NftFailed as error:
        # Without the right, or the program, it fails again; a kernel that is short of memory may have some later.
        _fail(f"nft {error}", EXIT_FAILED if shutil.which("nft", path="/usr/sbin:/sbin:/usr/bin:/bin") else EXIT_CONFIG)
    except OSError as error:
        _fail(f"--socket {given.socket} cannot be listened on: {error.strerror}.", EXIT_FAILED)


def parser() -> argparse.ArgumentParser:
    """Return what reads the command line."""
    made = argparse.ArgumentParser(
        "dohproxy-nft",
        description="Has the kernel drop new connections of networks that dohproxy has banned. Needs CAP_NET_ADMIN.",
        allow_abbrev=False,
    )
    made.add_argument("--socket", type=Path, default=SOCKET, help=f"where the service connects ({SOCKET})")
    made.add_argument(
        "--user", default="dohproxy", help="whose processes are listened to, and nobody else's (dohproxy)"
    )
    made.add_argument(
        "--port",
        type=_port,
        action="append",
        help="a TCP port at which the service is reached, as clients see it; nothing is dropped at others (443)",
    )
    made.add_argument(
        "--spare",
        type=_network,
        action="append",
        default=[],
        metavar="NETWORK",
        help="a network that is never dropped, whatever the service says: your own, for example",
    )
    made.add_argument("--clear", action="store_true", help="remove the table that an earlier run has left, and end")
    return made


def _serve(path: Path, user: int, drops: Drops, nft: Nft) -> None:
    with contextlib.ExitStack() as opened:
        wake, waker = socket.socketpair()
        opened.callback(wake.close)
        opened.callback(waker.close)
        for number in (signal.SIGTERM, signal.SIGINT):
            # While nft works it is let end first; the selector sees it then.
            signal.signal(number, lambda *_: waker.send(b"."))
        listening = opened.enter_context(listen(path))
        opened.callback(path.unlink, missing_ok=True)
        Helper(listening, user, drops, nft, _say).serve(wake, _tell_systemd)


def _tell_systemd() -> None:
    address = os.environ.get("NOTIFY_SOCKET")
    if address:
        notify_ready(address)


def _user(name: str) -> int:
    try:
        return pwd.getpwnam(name).pw_uid
    except KeyError:
        _fail(f"--user {name} is no user of this machine; name the one that dohproxy runs as.", EXIT_CONFIG)


def _port(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= 65_535:
        raise argparse.ArgumentTypeError("is no port; write a number from 1 to 65535")
    return int(text)


def _network(text: str) -> Network:
    try:
        return read_network(text)
    except Malformed:
        raise argparse.ArgumentTypeError("is no network; write 192.0.2.0/24 or 2001:db8::/48") from None


def _say(sentence: str) -> None:
    sys.stderr.write(f"{sentence}\n")
    sys.stderr.flush()


def _fail(sentence: str, code: int) -> NoReturn:
    _say(sentence)
    sys.exit(code)
