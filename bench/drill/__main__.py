"""Attack the proxy in every way, one after the other, while members browse: `python -m bench.drill`, seven minutes.

`--phase NAME` plays one alone, `--case NAME` (or `all`) one of the attacks by few who are many. Exits with 1 if a
promise was not kept. Everything stays on loopback; attacks over IPv6 run in a network namespace of their own (unshare
and ip, packages util-linux and iproute2).
"""

import argparse
import time
from dataclasses import replace
from typing import Final

from bench.drill.addresses import is_ipv6
from bench.drill.crowd import MEMBERS
from bench.drill.drill import play
from bench.drill.ground import enter_namespace, knows_tokens, remembered
from bench.drill.phases import CASES, PHASES, Phase, chosen
from bench.drill.plans import Requests
from bench.drill.verdict import print_figures, promises
from bench.incident.strangers import TAIL_SHARE
from bench.processes import raise_descriptor_limit
from bench.targets import Target, print_targets

BEFORE_SECONDS: Final = 15.0
QUICK_SECONDS: Final = 6.0


def main() -> None:
    """Play and print."""
    options = _parse()
    phases = chosen(options.phase, options.case, QUICK_SECONDS if options.quick else options.seconds)
    if any(phase.attack is not None and is_ipv6(phase.attack.prefixes) for phase in phases):
        enter_namespace()
    raise_descriptor_limit()
    before = QUICK_SECONDS if options.quick else options.before
    if not knows_tokens():
        print("this version knows no members by a token: those are members by their networks here")
    began = time.monotonic()
    all_met, summary = True, []
    for phase in phases:
        print(f"{phase.name}: {phase.title}", flush=True)
        # Anew for each: what is known not to exist is kept for five minutes.
        with remembered() as snapshot:
            figures = play(_with_tail(phase, options.tail), snapshot, before, options.members)
        print_figures(figures)
        if options.log:
            print(figures.log)
        targets = promises(figures)
        all_met &= print_targets(targets)
        summary += [(phase.name, target) for target in targets if not target.is_met]
    _print_summary(summary, time.monotonic() - began)
    raise SystemExit(0 if all_met else 1)


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.drill", description=__doc__.partition("\n")[0])
    names = ", ".join(phase.name for phase in PHASES)
    parser.add_argument("--phase", action="append", default=[], help=f"one of {names}; more than once for several")
    cases = ", ".join(case.name for case in CASES)
    parser.add_argument("--case", action="append", default=[], help=f"one of {cases}, or all")
    parser.add_argument("--seconds", type=float, help="of each attack")
    parser.add_argument("--before", type=float, default=BEFORE_SECONDS, help="seconds of the members alone")
    parser.add_argument("--members", type=int, default=MEMBERS)
    parser.add_argument("--tail", type=float, default=TAIL_SHARE, help="of the day on a list: part of real questions")
    parser.add_argument("--quick", action="store_true", help=f"{QUICK_SECONDS:g} s of each, to see that it works")
    parser.add_argument("--log", action="store_true", help="print what the service wrote")
    return parser.parse_args()


def _with_tail(phase: Phase, tail: float) -> Phase:
    attack = phase.attack
    return replace(phase, attack=replace(attack, tail=tail)) if isinstance(attack, Requests) else phase


def _print_summary(missed: list[tuple[str, Target]], seconds: float) -> None:
    print(f"{len(missed)} promises were not kept, in {seconds:.0f} s")
    for name, target in missed:
        print(f"  {name}: {target.what} is {target.value:.4g}, to be {target.relation} {target.bound:.4g}")


if __name__ == "__main__":
    main()
