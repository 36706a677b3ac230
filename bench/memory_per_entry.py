"""Memory that one cached answer really takes, beside what the cache charges for it. Takes about a minute.

Run as `python -m bench.memory_per_entry`. First a cache of the default size is filled with a mix of answers and turned
over several times: the growth of the process (VmRSS) holds the allocator's own losses too. Then caches are filled with
answers of one shape each, every one of them asked for once (which makes its aged copy), and tracemalloc tells what
Python has allocated. A ratio below 1 means that the cache takes more memory than it was given.
"""

import argparse
import gc
import random
import struct
import tracemalloc
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from dohproxy.cache import Cache
from dohproxy.config import CacheConfig
from dohproxy.wire.answer import parse_answer
from dohproxy.wire.query import parse_query

ENTRIES: Final = 100_000
TURNS: Final = 4
# Room for all of them: evictions would only blur the figures.
RULES: Final = CacheConfig(max_megabytes=4_096, negative_share_percent=50)
A, CNAME, SOA, TXT, HTTPS = 1, 5, 6, 16, 65
QNAME = b"\xc0\x0c"


@dataclass(frozen=True, slots=True)
class Shape:
    """What a kind of answer looks like: the query for number n, and the answer's rcode and sections."""

    name: str
    labels: Callable[[int], tuple[str, ...]]
    qtype: int
    rcode: int
    answers: tuple[bytes, ...]
    authority: tuple[bytes, ...] = ()


def record(rtype: int, rdata: bytes, owner: bytes = QNAME) -> bytes:
    """A resource record with a TTL of five minutes."""
    return owner + struct.pack("!HHIH", rtype, 1, 300, len(rdata)) + rdata


def host(number: int) -> tuple[str, ...]:
    """A name as most are: 20 bytes on the wire and a few more."""
    return ("www", f"host{number:06}", "example", "net")


def long_host(number: int) -> tuple[str, ...]:
    """The longest name there is."""
    return (f"{number:063}", "b" * 63, "c" * 63, "d" * 61)


_ZONE = b"\xc0\x1b"
"""example.net in the question of a host."""
_SOA = record(SOA, b"\x02ns\xc0\x1b\x05admin\xc0\x1b" + struct.pack("!5I", 2026, 7200, 900, 1_209_600, 300), _ZONE)
_ALIAS = record(CNAME, b"\x04edge\x0bexample-cdn\x03net\x00")
_SERVICE = record(HTTPS, b"\x00\x01\x00\x00\x01\x00\x06\x02h3\x02h2\x00\x04\x00\x04\xc0\x00\x02\x01")

SHAPES: Final = (
    Shape("one address", host, A, 0, (record(A, bytes(4)),)),
    Shape("four addresses", host, A, 0, (record(A, bytes(4)),) * 4),
    Shape("alias and address", host, A, 0, (_ALIAS, record(A, bytes(4), b"\xc0\x38"))),
    Shape("service binding", host, HTTPS, 0, (_SERVICE,)),
    Shape("no such name", host, A, 3, (), (_SOA,)),
    Shape("signed", host, A, 0, (record(A, bytes(4)), record(46, b"\x00\x01" + bytes(108)))),
    Shape("text of 1 kB", host, TXT, 0, (record(TXT, (b"\xff" + bytes(255)) * 4),)),
    Shape("60 addresses", host, A, 0, (record(A, bytes(4)),) * 60),
    Shape("longest name", long_host, A, 0, (record(A, bytes(4)),)),
)
TYPICAL: Final = SHAPES[:6]


def keep(cache: Cache, shape: Shape, number: int) -> None:
    """Do to the cache what one answer from an upstream and one hit do."""
    labels = shape.labels(number)
    qname = b"".join(bytes([len(label)]) + label.encode("ascii") for label in labels) + b"\x00"
    question = qname + struct.pack("!HH", shape.qtype, 1)
    query = parse_query(struct.pack("!6H", 0, 0x0100, 1, 0, 0, 0) + question)
    sections = shape.answers + shape.authority
    counts = struct.pack("!6H", 0, 0x8180 | shape.rcode, 1, len(shape.answers), len(shape.authority), 0)
    cache.store(query.key, parse_answer(counts + question + b"".join(sections), query), 1_000.0 + number / ENTRIES)
    entry, _ = cache.lookup(query.key, 1_010.0, 0.0)
    if entry is None:
        raise SystemExit(f"not kept: {shape.name}")
    entry.content(1_010.0)


def charged(cache: Cache) -> tuple[int, int]:
    """Entries and the bytes the cache counts for them."""
    figures = cache.statistics()
    return figures.positive_entries + figures.negative_entries, figures.positive_bytes + figures.negative_bytes


def allocated_for(shape: Shape, entries: int) -> tuple[float, float]:
    """Bytes per entry: allocated, charged."""
    gc.collect()
    tracemalloc.start()
    cache = Cache(RULES, random.random)
    before, _ = tracemalloc.get_traced_memory()
    for number in range(entries):
        keep(cache, shape, number)
    gc.collect()
    after, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    count, size = charged(cache)
    return (after - before) / count, size / count


def resident_for_mix(entries: int) -> tuple[float, float]:
    """Bytes per entry over a mix of the typical shapes, most of them evicted again: the process's growth, charged."""
    gc.collect()
    cache = Cache(CacheConfig(), random.random)
    before = resident_bytes()
    for number in range(TURNS * entries):
        keep(cache, TYPICAL[number % len(TYPICAL)], number)
    gc.collect()
    count, size = charged(cache)
    return (resident_bytes() - before) / count, size / count


def resident_bytes() -> int:
    """Memory of this process that is really in RAM (proc(5))."""
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1_024
    raise SystemExit("no VmRSS in /proc/self/status")


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(prog="python -m bench.memory_per_entry")
    parser.add_argument("--entries", type=int, default=ENTRIES)
    entries = parser.parse_args().entries
    print(f"{'bytes per entry':20}{'taken':>8}{'charged':>9}{'ratio':>7}")
    # The mix first: freed memory of a run before it would hide its growth.
    print_row("mix, turned over", *resident_for_mix(entries))
    for shape in SHAPES:
        # tracemalloc costs ten times the rest; the most usual shape is measured in full.
        print_row(shape.name, *allocated_for(shape, entries if shape is SHAPES[0] else entries // 10))


def print_row(name: str, taken: float, charge: float) -> None:
    """One line of the table."""
    print(f"{name:20}{taken:8.0f}{charge:9.0f}{charge / taken:7.2f}", flush=True)


if __name__ == "__main__":
    main()
