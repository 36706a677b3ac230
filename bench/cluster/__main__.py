"""`python -m bench cluster`: the tables of docs/scale.md, in a few minutes."""

import argparse
from typing import Final

from bench.cluster.crowd import FEW_NAMES, MANY_NAMES, SHORT_TTLS, Crowd
from bench.cluster.model import entries_held, load_of
from bench.cluster.simulation import Cluster
from bench.cluster.store_cost import measure

NODES: Final = (1, 2, 5, 20, 100)
SCALES: Final = (1, 10, 100, 1_000)
WARM_UP_SECONDS: Final = 7_200.0
SECONDS: Final = 3_600.0
MOST_SIMULATED: Final = 100
"""The largest scale that is simulated: six thousand questions a minute."""


def main() -> None:
    """Print everything."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--no-store", action="store_true", help="leave out what a real store takes")
    given = parser.parse_args()
    for names in (FEW_NAMES, MANY_NAMES):
        print(f"\n## By formula, {names:,} names\n")
        _print_loads(names)
    print(f"\n## Simulated, {FEW_NAMES:,} names\n")
    _print_simulated()
    if not given.no_store:
        print("\n## What a store takes here\n")
        for what, value in measure().items():
            print(f"{what}: {value:.1f}")


def _print_loads(names: int) -> None:
    print(
        "| clients of 2019, times | requests/s | nodes | upstream queries a question, alone | shared | misses that the"
        " store answers | operations of the store/s | answers held |"
    )
    print("|--|--|--|--|--|--|--|--|")
    for scale in SCALES:
        crowd = Crowd(scale, names)
        held = entries_held(crowd)
        for nodes in NODES:
            load = load_of(crowd, nodes)
            print(
                f"| {scale:,} | {crowd.requests_per_second:,.0f} | {nodes} | {load.alone / load.questions:.3f} |"
                f" {load.shared / load.questions:.3f} | {load.share_answered_by_store:.0%} |"
                f" {load.operations(nodes):,.0f} | {held:,.0f} |"
            )


def _print_simulated() -> None:
    print(
        "| clients of 2019, times | nodes | upstream queries a question, alone (by formula) | shared | lookups a"
        " question | upstream queries of one node in the minute after its restart, alone | shared |"
    )
    print("|--|--|--|--|--|--|--|")
    for scale in (one for one in SCALES if one <= MOST_SIMULATED):
        for nodes in NODES:
            crowd = Crowd(scale, FEW_NAMES, ttls=SHORT_TTLS)
            load = load_of(crowd, nodes)
            alone, shared = (
                Cluster(nodes, has_store).run(crowd, WARM_UP_SECONDS, SECONDS, restarts_at=600.0)
                for has_store in (False, True)
            )
            print(
                f"| {scale} | {nodes} | {_beside(alone.upstream / alone.questions, load.alone / load.questions)} |"
                f" {_beside(shared.upstream / shared.questions, load.shared / load.questions)} |"
                f" {_beside(shared.lookups / shared.questions, load.lookups / load.questions)} |"
                f" {alone.after_restart} | {shared.after_restart} |"
            )


def _beside(seen: float, expected: float) -> str:
    return f"{seen:.3f} ({expected:.3f})"


if __name__ == "__main__":
    main()
