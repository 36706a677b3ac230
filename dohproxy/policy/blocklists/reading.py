"""A list on its way from the bytes of its file into a set of names, a step at a time.

Whoever drives it gives chunks as they come from the disk, and may do anything else between two steps. A line that
cannot be used is told with its number, and the rest holds.
"""

from collections.abc import Generator
from dataclasses import dataclass
from typing import Final

from dohproxy.policy.blocklists.formats import Format, Reader, guess, reader_of
from dohproxy.policy.blocklists.lines import EXCEPTED, NETWORK, BadLine, LeftOut
from dohproxy.policy.blocklists.name_set import BOTH, NameGatherer, NameSet
from dohproxy.policy.blocklists.network_set import NO_NETWORKS, NetworkGatherer, NetworkSet

LONGEST_LINE: Final = 4_096
"""Bytes: sixteen of the longest names. What is longer is no line of a list, or has no end at all."""
MOST_NAMES: Final = 2_000_000
"""That one list holds, in 36 MB: twice as many as the longest ones that people use have."""
MOST_NETWORKS: Final = 65_536
"""Of clients that one list holds; the longest ones that people use have some thousands."""
MOST_FAULTS_TOLD: Final = 5
"""Lines that are told with their numbers: by then it is clear what is wrong with a file."""
STEP_LINES: Final = 64
"""Between two steps, each name of a line counted like a line: 0.3 ms where nothing is compiled. A line has 2,000 names
at most, which are read in one."""
GUESSED_LINES: Final = 100
"""By which the format of a file is guessed."""
MOST_HELD_LINES: Final = 5_000
"""Of comments and all, after which it is guessed in any case."""
_COMMENTS: Final = (b"#", b"!", b";", b"[", b"$")
_MARK: Final = b"\xef\xbb\xbf"
"""What some editors put before everything that they save as UTF-8."""


@dataclass(frozen=True, slots=True)
class LoadedNames:
    """What a list holds, and what was wrong with it."""

    names: NameSet
    excepted: NameSet
    """Names that the list itself lets through."""
    networks: NetworkSet = NO_NETWORKS
    """Clients that are meant."""
    written: Format | None = None
    """The format of its file, None if it has none."""
    faults: tuple[str, ...] = ()
    """The first lines that could not be used, each a sentence: "line 7 has no name: ..."."""
    told: tuple[str, ...] = ()
    """The same without what stands there, for the log."""
    bad_lines: int = 0
    left_out: int = 0
    """Lines that are right and that no list of names can follow, such as rules about parts of a page."""

    @property
    def held_bytes(self) -> int:
        """What it holds in memory."""
        return self.names.held_bytes + self.excepted.held_bytes + self.networks.held_bytes


class Reading:
    """One list that is being read."""

    def __init__(self, written: Format | None, kind: int) -> None:
        """`written` is the format, None to have it guessed; `kind` what a name means in formats that do not say it."""
        self._kind = kind
        self._written = written
        self._reader: Reader | None = None if written is None else reader_of(written, kind)
        self._names = NameGatherer()
        self._excepted = NameGatherer()
        self._networks = NetworkGatherer()
        self._held: list[bytes] = []
        """Lines of a file whose format is not known yet."""
        self._telling: list[bytes] = []
        """The first of them that are no comments in any format, at most GUESSED_LINES."""
        self._rest = b""
        """The beginning of a line whose end is still to come."""
        self._line = 0
        self._faults: list[str] = []
        self._told: list[str] = []
        self._bad_lines = 0
        self._left_out = 0

    def add(self, name: bytes, kind: int) -> None:
        """Take a name that stands in no file."""
        self._names.add(name, kind)

    def add_network(self, key: bytes) -> None:
        """Take a network that stands in no file."""
        self._networks.add(key)

    def feed(self, chunk: bytes) -> Generator[None, None, None]:
        """Read a chunk of the file."""
        lines = (self._rest + chunk).split(b"\n")
        # Of a line without end so much is kept as tells that it is too long.
        self._rest = lines.pop()[: LONGEST_LINE + 1]
        yield from self._read_lines(lines)

    def finish(self) -> Generator[None, None, None]:
        """Read what is left, and make the sets."""
        yield from self._read_lines([self._rest] if self._rest else [])
        if self._reader is None and self._held:
            yield from self._read_held()
        yield from self._names.build()
        yield from self._excepted.build()
        yield from self._networks.build()

    def loaded(self) -> LoadedNames:
        """Return what came of it, once all steps of `finish` are done."""
        return LoadedNames(
            self._names.gathered,
            self._excepted.gathered,
            self._networks.gathered(),
            self._written,
            tuple(self._faults),
            tuple(self._told),
            self._bad_lines,
            self._left_out,
        )

    def _read_lines(self, lines: list[bytes]) -> Generator[None, None, None]:
        done = 0
        for line in lines:
            done += 1
            if self._reader is None:
                self._hold(line)
            else:
                done += self._read_line(self._reader, line)
            if done >= STEP_LINES:
                done = 0
                yield
        if self._reader is None and self._knows_enough():
            yield from self._read_held()

    def _hold(self, line: bytes) -> None:
        line = line[: LONGEST_LINE + 1]
        self._held.append(line)
        if len(self._telling) < GUESSED_LINES and line.strip() and not line.startswith(_COMMENTS):
            self._telling.append(line)

    def _knows_enough(self) -> bool:
        return len(self._held) >= MOST_HELD_LINES or len(self._telling) >= GUESSED_LINES

    def _read_held(self) -> Generator[None, None, None]:
        held, self._held = self._held, []
        telling, self._telling = self._telling, []
        if not telling:
            # Comments alone, in whatever format: what follows will tell.
            self._line += len(held)
            return
        self._written = yield from guess(telling)
        self._reader = reader_of(self._written, self._kind)
        yield from self._read_lines(held)

    def _read_line(self, reader: Reader, line: bytes) -> int:
        """Read a line; return how many names it has."""
        self._line += 1
        if self._line == 1:
            line = line.removeprefix(_MARK)
        try:
            if len(line) > LONGEST_LINE:
                if line.startswith(_COMMENTS):
                    return 0
                raise BadLine(f"is longer than {LONGEST_LINE} bytes")
            meant = reader.read(line)
            for name, kind in meant:
                self._take(name, kind)
            return len(meant)
        except LeftOut:
            self._left_out += 1
        except BadLine as fault:
            self._bad_lines += 1
            if len(self._faults) < MOST_FAULTS_TOLD:
                self._faults.append(f"line {self._line} {fault}")
                self._told.append(f"line {self._line} {fault.says}")
        return 0

    def _take(self, name: bytes, kind: int) -> None:
        if kind & NETWORK:
            if len(self._networks) == MOST_NETWORKS:
                raise BadLine(f"comes after {MOST_NETWORKS:,} networks, which is as many as a list may have")
            self._networks.add(name)
            return
        gatherer = self._excepted if kind & EXCEPTED else self._names
        if len(gatherer) == MOST_NAMES:
            raise BadLine(f"comes after {MOST_NAMES:,} names, which is as many as a list may have")
        gatherer.add(name, kind & BOTH)
