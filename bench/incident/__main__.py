"""Replay the flood of September 2019, or another one: `python -m bench.incident`.

Without options: the whole day over sockets at 100 times its speed, which takes 18 minutes; `--scale 0.05` replays a
twentieth of it in four. `--flood`: random names below one domain instead. `--day`: the day at its own pace, in virtual
time. Exits with 1 if a promise was not kept.
"""

import argparse
from dataclasses import dataclass
from typing import Final

from bench.callers import Tally
from bench.guest import BUDGET_PER_SECOND, budget_kept
from bench.incident.day import Day, live_through
from bench.incident.members import KIND, Browsing, networks
from bench.incident.replay import UPSTREAM, Figures, Setting, replay
from bench.incident.strangers import DAY_SECONDS, TAIL, TAIL_SHARE, Flood, strangers
from bench.incident.torture import VICTIM, Torture, random_names
from bench.names import Popularity, popular_names
from bench.targets import Target, print_table, print_targets
from tests.e2e.proxy import Sections

SPEED: Final = 100.0
MOST_MEGABYTES: Final = 192
"""The cache's 64 MiB, the limiters' tables and 2,000 connections, on top of what Python and its libraries take."""
LEAST_SUCCESS: Final = 0.999
MOST_UPSTREAM_PER_QUERY: Final = 0.02
MOST_LISTED: Final = 1.2
"""What strangers of a public list may add to what the members cost the upstream."""
MOST_SLOWER: Final = 2.0
"""The members' 99th percentile during a flood, against before."""


@dataclass(frozen=True, slots=True)
class Options:
    """The command line."""

    speed: float
    scale: float
    tail: float
    before: float
    flood: bool
    day: bool
    seconds: float
    unnamed: bool
    tls: bool


def main() -> None:
    """Replay and print."""
    options = parse()
    popularity = Popularity(popular_names())
    if options.day:
        targets = replay_day(options, popularity)
    elif options.flood:
        targets = replay_torture(options, popularity)
    else:
        targets = replay_strangers(options, popularity)
    raise SystemExit(0 if print_targets(targets) else 1)


def parse() -> Options:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m bench.incident", description=__doc__.partition("\n")[0])
    parser.add_argument("--speed", type=float, default=SPEED, help="how much faster the strangers' day passes")
    parser.add_argument("--scale", type=float, default=1.0, help="part of the addresses, requests and time")
    parser.add_argument(
        "--tail", type=float, default=TAIL_SHARE, help="part of the strangers' requests that really ask"
    )
    parser.add_argument("--before", type=float, default=120.0, help="seconds of the members alone")
    parser.add_argument("--flood", action="store_true", help="random names below one domain instead")
    parser.add_argument("--seconds", type=float, default=120.0, help="of that flood")
    parser.add_argument("--day", action="store_true", help="the day at its own pace, in virtual time, without HTTP")
    parser.add_argument("--unnamed", action="store_true", help="do not tell the proxy which networks are the members'")
    parser.add_argument("--tls", action="store_true", help="over HTTPS: then the handshakes are measured too")
    return Options(**vars(parser.parse_args()))


def flood_of(options: Options) -> Flood:
    """Return the strangers' day: a part of it has fewer of them for a shorter time, at the same rate."""
    whole = Flood()
    return Flood(
        addresses=round(whole.addresses * options.scale),
        requests=round(whole.requests * options.scale),
        day_seconds=DAY_SECONDS * options.scale / (1.0 if options.day else options.speed),
        tail_share=options.tail,
    )


def setting_of(options: Options) -> Setting:
    """Return who browses before and meanwhile.

    Without names the proxy goes by seniority, which begins after an hour: `--unnamed` means something with `--before
    3700` or more, and in `--day`, which never names anybody.
    """
    browsing = Browsing(seconds=options.before)
    named: Sections = {} if options.unnamed else {"clients": {"member_networks": networks(browsing.members)}}
    return Setting(browsing, sections=named, tls=options.tls)


# --- The three ---


def replay_strangers(options: Options, popularity: Popularity) -> list[Target]:
    """The incident over sockets."""
    flood = flood_of(options)
    print(f"{flood.requests} requests of a day from {flood.addresses} addresses, {options.speed:g} times as fast")
    figures = replay(setting_of(options), strangers(flood, popularity), popularity, flood.day_seconds)
    print_figures(figures)
    ratio = figures.upstream_queries / figures.client_queries
    return [*promises(figures), Target("upstream queries per client query", ratio, "<=", MOST_UPSTREAM_PER_QUERY)]


def replay_torture(options: Options, popularity: Popularity) -> list[Target]:
    """Random names below one domain."""
    torture = Torture(seconds=options.seconds)
    print(f"random names below {VICTIM}: {torture.per_second:g} a second through {torture.addresses} addresses")
    figures = replay(setting_of(options), random_names(torture), popularity, torture.seconds)
    print_figures(figures)
    slower = figures.during.percentile(0.99) / max(figures.before.percentile(0.99), 0.001)
    return [*promises(figures), Target("members' p99 against before", slower, "<=", MOST_SLOWER)]


def replay_day(options: Options, popularity: Popularity) -> list[Target]:
    """The incident at its own pace."""
    flood = flood_of(options)
    print(f"{flood.requests} requests from {flood.addresses} addresses in {flood.day_seconds / 3600:g} virtual hours")
    day = live_through(flood, UPSTREAM, popularity)
    print_day(day)
    print("the same, with the members' networks named and what is done by itself where a public list has found us")
    listed = live_through(flood, UPSTREAM, popularity, knows_members=True)
    print_day(listed)
    print("the members alone, for as long")
    alone = live_through(flood, UPSTREAM, popularity, comes=False, knows_members=True)
    print_day(alone)
    return [
        *budget_kept(day.upstream),
        *budget_kept(listed.upstream),
        Target("members answered while listed", listed.tally(KIND).success, ">=", LEAST_SUCCESS),
        Target("questions while listed, against the members' alone", listed.asked / alone.asked, "<=", MOST_LISTED),
        Target("members answered during the flood", day.tally(KIND).success, ">=", LEAST_SUCCESS),
        Target("questions for the upstream per request of the flood", day.flood_ratio, "<=", MOST_UPSTREAM_PER_QUERY),
    ]


def promises(figures: Figures) -> list[Target]:
    """Return what is promised in every flood."""
    return [
        *budget_kept(figures.upstream),
        Target("members answered during the flood", figures.during.success, ">=", LEAST_SUCCESS),
        Target("proxy's memory, MiB", figures.largest_bytes / 1_048_576, "<=", MOST_MEGABYTES),
    ]


# --- Tables ---


def print_figures(figures: Figures) -> None:
    """Print who asked what, and what became of it."""
    kinds = {"members before": figures.before, "members during": figures.during, **figures.flood}
    heading = ("", "requests", "answered", "p50 ms", "p95 ms", "p99 ms", "otherwise")
    print_table(heading, [(kind, *_row(tally)) for kind, tally in kinds.items()])
    upstream = figures.upstream
    rows: list[tuple[object, ...]] = [
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
    ]
    print_table(("", ""), rows + [(f"outcome {name}", count) for name, count in sorted(figures.outcomes.items())])


def print_day(day: Day) -> None:
    """Print who asked what, what became of it, and which tail the promise bears."""
    before = day.before.get(KIND, Tally())
    rows: list[tuple[object, ...]] = [("members before", *_row(before), "")]
    rows += [(kind, *_row(tally), day.misses[kind] / tally.asked) for kind, tally in day.during.items()]
    print_table(("", "requests", "answered", "p50 ms", "p95 ms", "p99 ms", "otherwise", "misses/request"), rows)
    received = day.asked
    asked = sum(tally.asked for tally in day.during.values())
    print(f"  {received} queries upstream, {received / asked:.4f} per request, members included")
    tail = day.tally(TAIL).asked
    if tail and day.misses[TAIL]:
        bearable = MOST_UPSTREAM_PER_QUERY / (day.misses[TAIL] / tail)
        print(f"  {MOST_UPSTREAM_PER_QUERY} holds while {bearable:.1%} of the flood or less are real questions")


def _row(tally: Tally) -> tuple[object, ...]:
    milliseconds = (tally.percentile(share) * 1e3 for share in (0.5, 0.95, 0.99))
    others = ", ".join(f"{count} {result}" for result, count in tally.results.items() if result != "answered")
    return tally.asked, f"{tally.success:.2%}", *milliseconds, others


if __name__ == "__main__":
    main()
