"""What a process really holds for its cache, in resident bytes: no more than the cache may have, whatever came before.

One process for each history of sizes, as what one has left behind would hide what the next one takes.
"""

import json
import subprocess
import sys

import pytest

pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells in /proc how much of a process is in memory"),
]

GROWTH = """
import gc, itertools, json, random, resource, sys
from dohproxy.cache import Cache
from dohproxy.config import CacheConfig
from tests.cache.answers import ask, positive
from tests.wire import messages as m

def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * resource.getpagesize()

phases = json.loads(sys.argv[1])
def key_of(number):
    return b"\\x0chost%08d\\x07example\\x03net\\x00\\x00\\x10\\x00" % number

rules = CacheConfig(max_megabytes=32, negative_share_percent=1, max_entry_bytes=65_535)
drawn = random.Random(1)
made = [(size, positive(ask(qtype=m.TXT), size=size)) for size in range(1, 61_000, 7)]
gc.collect()
before, numbers = resident(), itertools.count()
cache = Cache(rules)
for least, most in phases:
    sizes = range(least // 7, most // 7 + 1)
    turned = 0
    while turned < 1.1 * rules.max_bytes:
        size, answer = made[drawn.choice(sizes)]
        number = next(numbers)
        entry = cache.store(key_of(number), answer, 1_000.0)
        turned += entry.size
        cache.lookup(key_of(drawn.randrange(max(0, number - 80_000), number + 1)), 1_000.0, 0.0)
gc.collect()
held = cache.statistics()
print(json.dumps([(resident() - before) / rules.max_bytes, held.positive_bytes / held.positive_max_bytes]))
"""
SMALL, USUAL, LARGE, LARGER, LARGEST, ALL = (
    (1, 40),
    (100, 300),
    (4_000, 9_000),
    (12_000, 16_000),
    (20_000, 60_000),
    (1, 16_000),
)
HISTORIES = (
    (LARGE, USUAL, SMALL),
    (SMALL, LARGE),
    (SMALL, LARGEST),
    (USUAL, LARGER, USUAL, LARGE),
    (LARGE, SMALL, ALL),
)


@pytest.mark.parametrize("sizes", HISTORIES, ids=str)
def test_a_process_takes_what_its_cache_may_have_whatever_it_held_before(sizes: tuple[tuple[int, int], ...]) -> None:
    """With look-ups between, entries go in another order than that in which they stand on their pages."""
    run = subprocess.run(
        [sys.executable, "-c", GROWTH, json.dumps(sizes)],
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    taken, full = json.loads(run.stdout)
    assert taken < 1.2
    assert full > 0.98
