"""The proxy as the guest of an upstream that bans: `python -m bench.ban`. Takes about four minutes.

First the proxy gets 100 times as many misses as its budget holds, over each transport: the upstream must never see more
than the budget. Then the upstream allows half of what the budget says and bans for a minute who asks more, in each way
that bans were seen to look: what is counted is how often the proxy knocks while it is banned, and what its clients get
meanwhile, from what it remembers and from a second upstream. Exits with 1 if a promise was not kept.
"""

import argparse
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Final

from bench.ban.scenarios import Guest, Stay, forced_ban, storm_of_misses
from bench.ban.signals import Signal
from bench.guest import BUDGET_BURST, BUDGET_PER_SECOND, budget_kept
from bench.targets import Target, print_table, print_targets

STORM_SECONDS: Final = 20.0
STORM_FACTOR: Final = 100
AROUND_SECONDS: Final = 50.0
"""Before and after each ban: it takes some 20 until the budget has grown to what the upstream does not allow."""
MOST_PER_BANNED_MINUTE: Final = 10
TRANSPORTS: Final = ("udp", "tcp", "tls")
BANS: Final = (
    Guest("udp", Signal.SILENCE),
    Guest("udp", Signal.UDP_SILENCE),
    Guest("udp", Signal.REFUSED),
    Guest("udp", Signal.PROHIBITED),
    Guest("udp", Signal.TRUNCATION),
    Guest("udp", Signal.FORMERR),
    Guest("udp", Signal.SERVFAIL_MANY),
    Guest("tcp", Signal.REFUSED),
    Guest("tls", Signal.REFUSED),
    Guest("tls", Signal.NOTIMP),
    Guest("tls", Signal.SILENCE),
    Guest("tls", Signal.RESET),
    Guest("tls", Signal.HANDSHAKE_HANGS),
    Guest("tls", Signal.CLOSING),
    Guest("udp", Signal.SILENCE, has_second=False),
    Guest("tls", Signal.REFUSED, has_second=False),
)
KNOCKS_ARE_QUERIES: Final = frozenset({Signal.UDP_SILENCE, Signal.TRUNCATION, Signal.SERVFAIL_MANY})
"""Not bans but limits: the upstream still answers in some way, so it may be asked, only less."""


def main() -> None:
    """Run both parts and print a table of each."""
    parser = argparse.ArgumentParser(prog="python -m bench.ban", description=__doc__.partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=STORM_SECONDS, help="of each storm of misses")
    parser.add_argument("--ban-seconds", type=float, default=60.0)
    parser.add_argument("--only", choices=["storm", "ban"], help="one of the two parts")
    options = parser.parse_args()
    targets: list[Target] = []
    if options.only != "ban":
        targets += storms(options.seconds)
    if options.only != "storm":
        targets += bans(options.ban_seconds)
    raise SystemExit(0 if print_targets(targets) else 1)


def storms(seconds: float) -> list[Target]:
    """Far more misses than the budget holds, over each transport."""
    rate = STORM_FACTOR * BUDGET_PER_SECOND
    print(f"{rate:g} misses a second for {seconds:g} s, budget {BUDGET_PER_SECOND:g}/s, burst {BUDGET_BURST}")
    stays = {transport: storm_of_misses(transport, rate, seconds) for transport in TRANSPORTS}
    heading = ("", "asked", "answered", "upstream", "most in 1 s", "smallest burst", "beyond", "bans")
    rows = [
        (
            transport,
            sum(tally.asked for tally in stay.tallies.values()),
            sum(tally.results["answered"] for tally in stay.tallies.values()),
            stay.report.received,
            stay.report.peak,
            stay.report.needed_burst,
            stay.report.excess,
            stay.report.bans,
        )
        for transport, stay in stays.items()
    ]
    print_table(heading, rows)
    return [target for transport, stay in stays.items() for target in budget_kept(stay.report, name=transport)]


def bans(ban_seconds: float) -> list[Target]:
    """An upstream that allows less than the budget says, in each of its ways to say so; all at the same time."""
    print(f"the upstream allows half of the budget and bans for {ban_seconds:g} s who asks more")
    guests = [replace(guest, ban_seconds=ban_seconds, seconds=ban_seconds + AROUND_SECONDS) for guest in BANS]
    with ThreadPoolExecutor(len(guests)) as pool:
        stays = dict(zip(guests, pool.map(forced_ban, guests), strict=True))
    heading = (
        *("ban looks like", "bans", "banned s", "a minute", "in first 10 s", "then a minute"),
        *("connections", "known names", "new names", "second"),
    )
    print_table(heading, [(guest.title, *_row(stay)) for guest, stay in stays.items()])
    targets = []
    for guest, stay in stays.items():
        if guest.signal not in KNOCKS_ARE_QUERIES:
            # What was under way when the ban began, and what it took to notice, stands in the table.
            knocks = stay.report.knocks_a_minute
            targets.append(Target(f"{guest.title}: knocks a banned minute", knocks, "<=", MOST_PER_BANNED_MINUTE))
        known = stay.tallies["known"].success
        targets.append(Target(f"{guest.title}: known names answered", known, ">=", 1.0))
    return targets


def _row(stay: Stay) -> tuple[object, ...]:
    report = stay.report
    return (
        report.bans,
        round(report.banned_seconds),
        report.received_per_banned_minute,
        report.received_while_banned - report.received_after_noticing,
        report.knocks_a_minute,
        report.connections,
        f"{stay.tallies['known'].success:.0%}",
        f"{stay.tallies['new'].success:.0%}",
        stay.second.received if stay.second else 0,
    )


if __name__ == "__main__":
    main()
