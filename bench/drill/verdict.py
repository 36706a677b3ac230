"""What is promised in every phase, and the tables."""

from collections.abc import Iterable, Iterator
from typing import Final

from bench.callers import Tally
from bench.drill.crowd import DOOR, KNOWN, NEW
from bench.drill.drill import Figures
from bench.drill.watching import Key
from bench.guest import budget_kept
from bench.targets import Target, print_table

LEAST_SUCCESS: Final = 0.999
MOST_TIMES: Final = 5.0
MOST_MORE_SECONDS: Final = 0.05
"""Together: members' 99th percentile, at most five times what it was and 50 ms."""
ALERT_SECONDS: Final = 60.0
EFFECT_SECONDS: Final = 1.0
MOST_MEGABYTES: Final = 256
"""The cache's 64 MiB, the tables, 2,000 connections with TLS, and what they may hold together, on top of Python."""
COUNTED: Final = {
    "dohproxy_requests_total": "request ",
    "dohproxy_connections_closed_total": "closed ",
    "dohproxy_slots_refused_total": "no room among ",
    "dohproxy_slots_made_room_total": "room made among ",
    "dohproxy_turns_total": "turn ",
    "dohproxy_upstream_sends_total": "send ",
    "dohproxy_upstream_halvings_total": "halving ",
}
"""The counters that explain a phase, and what stands before the value of their label."""
UNTELLING: Final = frozenset({"http1", "http2", "GET", "POST", "other"})
"""Values of other labels than the outcome."""


def merged(tallies: Iterable[Tally]) -> Tally:
    """Return one tally of several."""
    whole = Tally()
    for tally in tallies:
        whole.results.update(tally.results)
        whole.latencies.extend(tally.latencies)
    return whole


def is_members(kind: str) -> bool:
    """Tell whether requests of this kind are a member's."""
    return kind.startswith("member")


def promises(figures: Figures) -> list[Target]:
    """Return what is promised for this phase, with what it was."""
    phase = figures.phase
    hopeful = [kind for kind in figures.during if is_members(kind) and kind not in phase.hopeless]
    targets = [
        Target("members answered", merged(figures.during[kind] for kind in hopeful).success, ">=", LEAST_SUCCESS)
    ]
    for kind in (KNOWN, DOOR, NEW):
        if kind in hopeful and kind in figures.before:
            bound = figures.before[kind].percentile(0.99) * MOST_TIMES + MOST_MORE_SECONDS
            value = figures.during[kind].percentile(0.99)
            targets.append(Target(f"{kind}, p99 ms", value * 1e3, "<=", bound * 1e3))
    if figures.tells_alerts and phase.alerts and not phase.is_case:
        seconds = float("inf") if figures.alert_seconds is None else figures.alert_seconds
        targets.append(Target("seconds to the alert", seconds, "<=", ALERT_SECONDS))
    if phase.command is not None and not figures.refused_command:
        seconds = float("inf") if figures.effect_seconds is None else figures.effect_seconds
        targets.append(Target(f"seconds until `{phase.command.words}` acts", seconds, "<=", EFFECT_SECONDS))
    targets.append(Target("memory, MiB", figures.largest_bytes / 1_048_576, "<=", MOST_MEGABYTES))
    return [*targets, *budget_kept(figures.upstream)]


def print_figures(figures: Figures) -> None:
    """Print who asked what and what became of it, what the attack cost, and what the service said of it."""
    heading = ("", "asked", "answered", "p50 ms", "p99 ms", "before: p50", "p99", "otherwise")
    rows = []
    for kind, tally in sorted(figures.during.items()):
        before = figures.before.get(kind, Tally())
        milliseconds = (one.percentile(share) * 1e3 for one in (tally, before) for share in (0.5, 0.99))
        rows.append((kind, tally.asked, f"{tally.success:.2%}", *milliseconds, _others(tally)))
    print_table(heading, rows)
    print(f"  the attack: {figures.toll.units}, {_counts(figures.toll.results)}")
    print(f"  {_costs(figures)}")
    proxy, own = figures.waited
    print(f"  waited for a core: the proxy {proxy:.2f} s, the members {own:.2f} s")
    print(f"  the proxy's event loop was late by {figures.loop_delay:.3f} s")
    print(f"  {_words(figures)}")
    counted = {f"{COUNTED[name]}{label}": round(value) for (name, label), value in _telling(figures)}
    print(f"  counted: {_counts(counted)}")


def _costs(figures: Figures) -> str:
    price = figures.price
    told = f"an answer costs {price.request * 1e6:.0f} µs, with a connection {price.connection * 1e6:.0f} µs"
    if figures.toll.units:
        each = figures.attack_cpu / figures.toll.units
        ratios = f"{each / price.request:.2f} and {each / price.connection:.2f} of these"
        told += f"; each of the attack {each * 1e6:.0f} µs, {ratios}"
    return f"{told}; memory {figures.bytes_before >> 20} to {figures.largest_bytes >> 20} MiB"


def _words(figures: Figures) -> str:
    refused = figures.refusal_seconds
    words = ["nothing refused" if refused is None else f"first refusal seen after {refused:.1f} s"]
    if not figures.phase.alerts:
        words.append("no alert is expected")
    elif figures.alert_seconds is not None:
        words.append(f"alert after {figures.alert_seconds:.1f} s ({', '.join(sorted(figures.told))})")
    else:
        words.append("no alert" if figures.tells_alerts else "this service has no alert to wait for")
    if figures.refused_command and figures.phase.command is not None:
        words.append(f"`{figures.phase.command.words}` not given: {figures.refused_command.strip()}")
    elif figures.effect_seconds is not None:
        words.append(f"the command acts after {figures.effect_seconds:.2f} s")
    return "; ".join(words)


def _telling(figures: Figures) -> Iterator[tuple[Key, float]]:
    for key, value in figures.counters.items():
        if key[0] in COUNTED and not key[1].isdigit() and key[1] not in UNTELLING:
            yield key, value


def _others(tally: Tally) -> str:
    return _counts({result: count for result, count in tally.results.items() if result != "answered"})


def _counts(counts: dict[str, int]) -> str:
    return ", ".join(f"{count} {what}" for what, count in sorted(counts.items(), key=lambda item: -item[1]))
