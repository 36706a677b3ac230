"""`python -m bench chaos`: each act for half a minute, some six minutes in all; `--seconds 8` for a look."""

import argparse

from bench.chaos.acts import ACTS, SETTLE_SECONDS, WARM_UP, WARM_UP_SECONDS, Played, play
from bench.chaos.ground import ground
from bench.chaos.verdict import table, verdict
from bench.targets import print_targets


def main() -> None:
    """Play everything, and exit with 1 if a promise was not kept."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=30.0, help="how long each act lasts")
    parser.add_argument("--act", type=int, action="append", help="only the one of this number, from 0; repeatable")
    given = parser.parse_args()
    acts = ACTS if given.act is None else [ACTS[number] for number in given.act]
    with ground() as on:
        play(WARM_UP, on, WARM_UP_SECONDS, seed=99)
        played: list[Played] = []
        for seed, act in enumerate(acts):
            if played:
                play(WARM_UP, on, SETTLE_SECONDS, seed=seed + 50)
            played.append(play(act, on, given.seconds, seed))
        report = on.upstream.report()
    print("\n".join(table(played)))
    for one in played:
        print(f"{one.act.name}: {', '.join(f'{kind} {dict(tally.results)}' for kind, tally in one.tallies.items())}")
    raise SystemExit(0 if print_targets(verdict(played, report)) else 1)


if __name__ == "__main__":
    main()
