"""Everything that is measured: `make bench`, or `make bench ARGS="peers --quick"`.

cached      CPU time per cached request of this server alone, in 20 s; what runs when nothing is said
peers       this server beside dnsdist and Unbound, written to bench/results.md
guard       whether a request has become dearer than it was, in instructions (make bench-guard)
upstreams   real resolvers as upstreams, in every state
ban         the proxy as the guest of an upstream that bans
turned-away what a banned client costs, beside a handshake and a cached answer
incident    the flood of September 2019, and others
drill       attacks of every kind, one after the other, while members browse
memory      what one cached answer takes
growth      what an answer costs as cache and crowd grow, and the longest pauses
start       from the command line to the first answer, in half a minute
cluster     what several nodes share, by formula and in simulation, and what that costs the store
chaos       three nodes while store, nodes and the ways between them break
sharing     what a miss costs with a store that nodes share, and what upstreams are spared
snapshot    what saving, loading and flushing take, and the longest that nobody else has a turn
console     what those who look at the operator's page cost, with everything full
pictures    the pictures of the documentation, in three minutes
mutants     whether each limit of SECURITY.md is held by the test that it names
"""

import importlib
import sys
from typing import Final

MODULES: Final = {
    "cached": "bench.cached",
    "peers": "bench.peers.__main__",
    "guard": "bench.guard.__main__",
    "upstreams": "bench.upstreams.__main__",
    "ban": "bench.ban.__main__",
    "turned-away": "bench.turned_away",
    "incident": "bench.incident.__main__",
    "drill": "bench.drill.__main__",
    "memory": "bench.memory_per_entry",
    "growth": "bench.growth",
    "start": "bench.start",
    "cluster": "bench.cluster.__main__",
    "chaos": "bench.chaos.__main__",
    "sharing": "bench.shared_cache",
    "snapshot": "bench.snapshot",
    "console": "bench.console",
    "pictures": "bench.pictures.__main__",
    "mutants": "bench.mutants.__main__",
}


def main() -> None:
    """Run the one that is named."""
    named = len(sys.argv) > 1 and not sys.argv[1].startswith("-")
    name = sys.argv.pop(1) if named else "cached"
    if name not in MODULES:
        raise SystemExit(__doc__)
    importlib.import_module(MODULES[name]).main()


if __name__ == "__main__":
    main()
