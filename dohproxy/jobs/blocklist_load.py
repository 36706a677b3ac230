"""Reading one blocklist from the disk, a slice at a time, so that nobody who is served waits for it.

A thread reads the file; what is made of it is made on the event loop, between requests. In a thread of its own the work
would hold the interpreter for as long as it lasts where it is compiled, and take it away for milliseconds a hundred
times a second where it is not. A million names take some 5 s of work, 2 s where the program is compiled.
"""

import asyncio
from pathlib import Path
from typing import Final

from dohproxy.config import BlocklistConfig
from dohproxy.jobs.atomic_file import reason_of
from dohproxy.jobs.turns import in_turns
from dohproxy.policy.blocklists.formats import Format, NamesReader
from dohproxy.policy.blocklists.name_set import BOTH, EXACT
from dohproxy.policy.blocklists.network_set import key_of
from dohproxy.policy.blocklists.reading import LoadedNames, Reading
from dohproxy.regular_file import open_regular

CHUNK_BYTES: Final = 65_536
"""Read at once: some 3,000 lines."""
MOST_FILE_BYTES: Final = 134_217_728
"""Longest file read: 2,000,000 names take 60 MB, so what is longer is another file or an endless device."""


class Unloadable(Exception):
    """A list cannot be had from its file; the message is a predicate, for the operator."""


async def load_list(config: BlocklistConfig) -> LoadedNames:
    """Return what a list holds: the names in the configuration and those of its file. Raises Unloadable."""
    reading = begin_reading(config)
    if config.file is not None:
        try:
            await _read_file(config.file, reading)
        except OSError as error:
            raise Unloadable(f"cannot be read ({reason_of(error)})") from None
    await in_turns(reading.finish())
    loaded = reading.loaded()
    if loaded.bad_lines and not loaded.names.names and not loaded.networks.networks:
        raise Unloadable(f"holds nothing that can be used: {loaded.told[0]}")
    return loaded


def load_inline(config: BlocklistConfig) -> LoadedNames:
    """Return what a list holds without its file; some 0.1 ms for as many as there may be."""
    reading = begin_reading(config)
    for _ in reading.finish():
        pass
    return reading.loaded()


def begin_reading(config: BlocklistConfig) -> Reading:
    """Return a list that has the names and networks in the configuration."""
    kind = BOTH if config.below else EXACT
    reading = Reading(None if config.format == "auto" else Format(config.format), kind)
    names = NamesReader(kind)
    for name in config.names:
        for wire, meant in names.read(name.encode()):
            reading.add(wire, meant)
    for network in config.networks:
        reading.add_network(key_of(network))
    return reading


async def _read_file(path: Path, reading: Reading) -> None:
    file = _ChunkedFile(path)
    try:
        position = 0
        while chunk := await file.read():
            position += len(chunk)
            if position > MOST_FILE_BYTES:
                raise Unloadable(f"is longer than {MOST_FILE_BYTES} bytes, so hardly a list")
            await in_turns(reading.feed(chunk))
    finally:
        file.close()


class _ChunkedFile:
    """A file that threads read."""

    def __init__(self, path: Path) -> None:
        # Here and not in a thread, which could end with a file in its hands that nobody waits for any more.
        self._file = open_regular(path, buffering=0)
        self._pending: asyncio.Future[bytes] | None = None

    async def read(self) -> bytes:
        """Return the next chunk, b"" at the end."""
        self._pending = asyncio.get_running_loop().run_in_executor(None, self._file.read, CHUNK_BYTES)
        return await asyncio.shield(self._pending)

    def close(self) -> None:
        """Close it, once no thread reads any more: by then another file may have its number."""
        if self._pending is None or self._pending.done():
            self._file.close()
        else:
            self._pending.add_done_callback(self._close_late)

    def _close_late(self, read: "asyncio.Future[bytes]") -> None:
        self._file.close()
        if not read.cancelled():
            read.exception()  # Nobody else asks for it, and asyncio would complain.
