"""The way of one node to the store: a Unix socket that passes everything on, until it is cut."""

import select
import socket
import threading
from pathlib import Path
from typing import Final

READ_BYTES: Final = 65_536
LOOK_SECONDS: Final = 0.05


class Relay:
    """One way. While it is cut nothing passes in either direction and nobody is told, as with a cable."""

    def __init__(self, here: Path, there: Path) -> None:
        self._there = str(there)
        self._listening = socket.socket(socket.AF_UNIX)
        self._listening.bind(str(here))
        self._listening.listen(16)
        self._is_cut = threading.Event()
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="relay", daemon=True)
        self._thread.start()

    def cut(self) -> None:
        """Let nothing pass."""
        self._is_cut.set()

    def mend(self) -> None:
        """Let everything pass again, what was held back first."""
        self._is_cut.clear()

    def close(self) -> None:
        """End it, with all connections."""
        self._is_over.set()
        self._thread.join()
        self._listening.close()

    def _run(self) -> None:
        others: dict[socket.socket, socket.socket] = {}
        while not self._is_over.is_set():
            if self._is_cut.wait(0) and not self._is_over.wait(LOOK_SECONDS):
                continue
            readable, _, _ = select.select([self._listening, *others], [], [], LOOK_SECONDS)
            for one in readable:
                if one is self._listening:
                    self._join(others)
                elif one in others and not self._pass_on(one, others[one]):
                    other = others.pop(one)
                    others.pop(other, None)
                    one.close()
                    other.close()
        for one in others:
            one.close()

    def _join(self, others: dict[socket.socket, socket.socket]) -> None:
        near, _ = self._listening.accept()
        far = socket.socket(socket.AF_UNIX)
        try:
            far.connect(self._there)
        except OSError:
            near.close()
            far.close()
            return
        others[near], others[far] = far, near

    def _pass_on(self, one: socket.socket, other: socket.socket) -> bool:
        try:
            found = one.recv(READ_BYTES)
            if found:
                other.sendall(found)
        except OSError:
            return False
        return bool(found)
