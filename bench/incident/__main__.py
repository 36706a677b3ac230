"""Replay the flood of September 2019, or another one: `python -m bench.incident [--speed N] [--flood] [--day]`.

Exits with 1 if a promise was not kept. The whole day at 100 times its speed takes 18 minutes; `--scale 0.05` replays a
twentieth of it in one.
"""

import argparse
from dataclasses import dataclass
from typing import Final

from bench.ban.scenarios import BUDGET_BURST, BUDGET_PER_SECOND, JITTER_QUERIES
from bench.callers import Tally
from bench.incident.members import Browsing
from bench.incident.replay import Figures, Setting, replay
from bench.incident.strangers import DAY_SECONDS, Flood, strangers
from bench.incident.torture import VICTIM, Torture, random_names
from bench.names import Popularity, corpora, popular_names
from bench.targets import Target, print_table, print_targets

SPEED: Final = 100.0
MOST_MEGABYTES: Final = 192
"""The cache's 64 MiB, the limiters' tables and 2,000 connections, on top of what Python and its libraries take."""
LEAST_SUCCESS: Final = 0.999
MOST_UPSTREAM_PER_QUERY: Final = 0.02
MOST_SLOWER: Final = 2.0
"""The members' 99th percentile during a flood, against before."""


@dataclass(frozen=True, slots=True)
class Options:
    """The command line."""

    speed: float
    scale: float
    before: float
    flood: bool
    seconds: float
    tls: bool


def main() -> None:
    """Replay and print."""
    options = parse()
    popularity = Popularity(popular_names(corpora()))
    setting = Setting(Browsing(seconds=options.before), tls=options.tls)
    if options.flood:
        torture = Torture(seconds=options.seconds)
        print(f"random names below {VICTIM}: {torture.per_second:g} a second through {torture.addresses} addresses")
        figures = replay(setting, random_names(torture), popularity, torture.seconds)
    else:
        flood = flood_of(options)
        print(f"{flood.requests} requests of a day from {flood.addresses} addresses, {options.speed:g} times as fast")
        figures = replay(setting, strangers(flood, popularity), popularity, flood.day_seconds)
    print_figures(figures)
    raise SystemExit(0 if print_targets(targets(figures, torture=options.flood)) else 1)


def parse() -> Options:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m bench.incident", description=__doc__.partition("\n")[0])
    parser.add_argument("--speed", type=float, default=SPEED, help="how much faster the strangers' day passes")
    parser.add_argument("--scale", type=float, default=1.0, help="part of the addresses, requests and time")
    parser.add_argument("--before", type=float, default=120.0, help="seconds of the members alone")
    parser.add_argument("--flood", action="store_true", help="random names below one domain instead")
    parser.add_argument("--seconds", type=float, default=120.0, help="of that flood")
    parser.add_argument("--tls", action="store_true", help="over HTTPS: then the handshakes are measured too")
    return Options(**vars(parser.parse_args()))


def flood_of(options: Options) -> Flood:
    """Return the strangers' day: a part of it has fewer of them for a shorter time, at the same rate."""
    whole = Flood()
    return Flood(
        addresses=round(whole.addresses * options.scale),
        requests=round(whole.requests * options.scale),
        day_seconds=DAY_SECONDS / options.speed * options.scale,
    )


def print_figures(figures: Figures) -> None:
    """Print who asked what, and what became of it."""
    kinds = {"members before": figures.before, "members during": figures.during, **figures.flood}
    heading = ("", "requests", "answered", "p50 ms", "p95 ms", "p99 ms", "otherwise")
    print_table(heading, [(kind, *_row(tally)) for kind, tally in kinds.items()])
    upstream = figures.upstream
    print_table(
        ("", ""),
        [
            ("seconds", round(figures.seconds)),
            ("requests a second", figures.client_queries / figures.seconds),
            ("upstream queries", figures.upstream_queries),
            (f"  of them below {VICTIM}", upstream.by_label.get(VICTIM, 0)),
            ("upstream queries a second", figures.upstream_queries / figures.seconds),
            ("most in any second", upstream.peak),
            (f"smallest burst that explains them at {BUDGET_PER_SECOND:g}/s", upstream.needed_burst),
            ("proxy's CPU, percent of a core", figures.cpu_seconds / figures.seconds * 100),
            ("  microseconds a request", figures.cpu_seconds / figures.client_queries * 1e6),
            ("proxy's memory before, MiB", figures.bytes_before / 1_048_576),
            ("  at most, MiB", figures.largest_bytes / 1_048_576),
            ("connections at once", figures.most_connections),
            *((f"outcome {outcome}", count) for outcome, count in sorted(figures.outcomes.items())),
        ],
    )


def _row(tally: Tally) -> tuple[object, ...]:
    milliseconds = (tally.percentile(share) * 1e3 for share in (0.5, 0.95, 0.99))
    others = ", ".join(f"{count} {result}" for result, count in tally.results.items() if result != "answered")
    return tally.asked, f"{tally.success:.2%}", *milliseconds, others


def targets(figures: Figures, *, torture: bool) -> list[Target]:
    """Return what is promised in a flood."""
    slower = figures.during.percentile(0.99) / max(figures.before.percentile(0.99), 0.001)
    promised = [
        Target(
            "smallest burst that explains the upstream's queries",
            figures.upstream.needed_burst,
            "<=",
            BUDGET_BURST + JITTER_QUERIES,
        ),
        Target("queries beyond the budget", figures.upstream.excess, "==", 0),
        Target("bans", figures.upstream.bans, "==", 0),
        Target("members answered during the flood", figures.during.success, ">=", LEAST_SUCCESS),
        Target("proxy's memory, MiB", figures.largest_bytes / 1_048_576, "<=", MOST_MEGABYTES),
    ]
    if torture:
        return [*promised, Target("members' p99 against before", slower, "<=", MOST_SLOWER)]
    ratio = figures.upstream_queries / figures.client_queries
    return [*promised, Target("upstream queries per client query", ratio, "<=", MOST_UPSTREAM_PER_QUERY)]


if __name__ == "__main__":
    main()
