"""What the supervisor hands to a worker at its start: who it is, its sockets, and what all of them share.

It is one JSON object that comes over a pipe, so that no other process sees the secret among it, in the environment or
on the disk. The environment has the number of the pipe's descriptor alone. The process waits for it when it has
imported all that a worker needs: so one that stands by takes the place of a dead one at once.
"""

import base64
import json
import os
import socket
from collections.abc import Callable, Mapping, MutableMapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from dohproxy.config import ListenAddress
from dohproxy.saved import Saved
from dohproxy.service_manager.activation import InheritedSockets
from dohproxy.workers.division import Place

VARIABLE: Final = "DOHPROXY_WORKER"
"""Of the environment: the descriptor of the pipe over which the handover comes."""
LOOK: Final = "/worker/look"
"""Where a worker answers the supervisor, beside the commands that it carries out: what it is like now, ..."""
STATE: Final = "/worker/state"
"""... what another worker goes on with, ..."""
VIEW: Final = "/worker/view"
"""... what the operator's page shows, ..."""
BANS: Final = "/worker/bans"
"""... and which bans it has made."""
MOST_BYTES: Final = 67_108_864
"""Of a handover: 20,000 bans and 10,000 blocks are some 10 MiB."""


@dataclass(frozen=True, slots=True)
class HandedSocket:
    """A listening socket of one worker."""

    key: str
    """Of the configuration: "server.listen" or "dot.listen"."""
    address: str
    """As the configuration says it; with port 0 the socket has a port that the system chose."""
    descriptor: int


@dataclass(frozen=True, slots=True)
class Handover:
    """All that a worker is handed."""

    place: Place
    secret: bytes
    """Under which addresses are hashed, in all workers alike."""
    run_directory: Path
    """Where the sockets between the supervisor and its workers are."""
    content: bytes
    """Of the configuration file that holds, which may have been changed since."""
    table_slots: int
    """`limits.table_slots` of the mapping, which holds from the start to the end."""
    tables: int
    """The descriptor of the mapping."""
    lifeline: int
    """The descriptor of a pipe that ends when the supervisor does."""
    sockets: tuple[HandedSocket, ...]
    environment: Mapping[str, str]
    """What a service manager would set: where to say that it is ready and lives."""
    strange: tuple[int, ...] = ()
    """Descriptors that it has inherited and that are other workers'."""
    store: str = ""
    """The socket of the store that the supervisor has started for its workers; "" if it has not."""
    saved: Saved | None = None
    """What another worker knows that lives; None at the start of all, when the state file has it."""
    is_replacement: bool = False
    """It takes the place of one that has died."""

    @property
    def descriptors(self) -> tuple[int, ...]:
        """All that are the worker's own."""
        return (self.tables, self.lifeline, *(one.descriptor for one in self.sockets))

    @property
    def key_file(self) -> Path:
        """The secret under which workers share what they do."""
        return key_file_of(self.run_directory)

    @property
    def admin_socket(self) -> Path:
        """Where the worker takes commands from the supervisor."""
        return admin_socket_of(self.run_directory, self.place.number)


def admin_socket_of(run_directory: Path, number: int) -> Path:
    """Return where a worker takes commands from the supervisor."""
    return run_directory / f"worker-{number}.sock"


def key_file_of(run_directory: Path) -> Path:
    """Return where the secret is under which workers share what they do, through a store of their own."""
    return run_directory / "nodes.key"


def encode(handover: Handover) -> bytes:
    """Return a handover as it is passed on."""
    plain: dict[str, Any] = {
        "number": handover.place.number,
        "of": handover.place.of,
        "secret": handover.secret.hex(),
        "run_directory": str(handover.run_directory),
        "content": base64.b64encode(handover.content).decode("ascii"),
        "table_slots": handover.table_slots,
        "tables": handover.tables,
        "lifeline": handover.lifeline,
        "sockets": [[one.key, one.address, one.descriptor] for one in handover.sockets],
        "environment": dict(handover.environment),
        "strange": handover.strange,
        "store": handover.store,
        "saved": handover.saved,
        "is_replacement": handover.is_replacement,
    }
    return json.dumps(plain).encode()


def decode(content: bytes) -> Handover:
    """Return the handover that was passed on. Raises ValueError or KeyError for anything else."""
    plain = json.loads(content)
    return Handover(
        Place(plain["number"], plain["of"]),
        bytes.fromhex(plain["secret"]),
        Path(plain["run_directory"]),
        base64.b64decode(plain["content"]),
        plain["table_slots"],
        plain["tables"],
        plain["lifeline"],
        tuple(HandedSocket(*one) for one in plain["sockets"]),
        plain["environment"],
        tuple(plain["strange"]),
        plain["store"],
        plain["saved"],
        plain["is_replacement"],
    )


def take_over(environment: MutableMapping[str, str], prepare: Callable[[], None]) -> Handover | None:
    """Return what this process is handed, None if it is no worker; wait for it if it comes later, and `prepare` before.

    Nothing of it is left for a child of ours. Raises EOFError if the supervisor wants no worker any more, and
    ValueError, KeyError or OSError if the variable was set by somebody who is no supervisor.
    """
    number = environment.pop(VARIABLE, "")
    if not number:
        return None
    os.set_inheritable(int(number), False)
    prepare()
    with os.fdopen(int(number), "rb") as pipe:
        content = pipe.read(MOST_BYTES)
    if not content:
        raise EOFError
    handover = decode(content)
    for descriptor in handover.strange:
        os.close(descriptor)
    for descriptor in handover.descriptors:
        os.set_inheritable(descriptor, False)
    environment.update(handover.environment)
    return handover


class HandedSockets(InheritedSockets):
    """The listening sockets of one worker. The supervisor has them too, and keeps the queue of one who has died."""

    def __init__(self, handed: Sequence[HandedSocket]) -> None:
        """Take over the sockets behind these descriptors."""
        super().__init__(())
        self._handed = {(one.key, one.address): socket.socket(fileno=one.descriptor) for one in handed}

    def take(self, key: str, address: ListenAddress) -> socket.socket | None:
        """Return the socket for a key and its address, from now on the caller's; None if it was not handed over."""
        return self._handed.pop((key, str(address)), None)

    def close(self) -> None:
        """Let go of those that nobody has taken."""
        for one in self._handed.values():
            one.close()
        self._handed.clear()
