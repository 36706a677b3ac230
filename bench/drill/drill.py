"""One phase from its beginning to its figures: members alone, the price of an answer, then the attack."""

import os
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from typing import Final

from bench.ban.books import Report
from bench.callers import Asked, Caller, Tally
from bench.drill.addresses import draw_addresses, is_ipv6
from bench.drill.attacker import Toll, attacker
from bench.drill.crowd import Crowd
from bench.drill.ground import Ground, ground
from bench.drill.phases import Command, Phase
from bench.drill.watching import Key, Watcher, knows_alerts, read_page
from bench.names import popular_names
from bench.processes import Watch, cpu_seconds, pin
from bench.questions import A, get, query

BEFORE: Final = "before: "
WARM_SECONDS: Final = 2.0
TOKENS_AMONG: Final = 6
"""One member of so many is known by a token."""
PRICED_CONNECTIONS: Final = 100
PRICED_REQUESTS: Final = 10
"""On each of them: fewer than a client may ask at once."""
PRICED_PER_SECOND: Final = 800.0
PRICED_FROM: Final = ("127.210.0.0/16",)
EFFECT_SECONDS: Final = 4.0
"""How long it is waited for a command to act."""
EFFECT_POLL_SECONDS: Final = 0.05


@dataclass(frozen=True, slots=True)
class Price:
    """What one answer from the cache costs the proxy, in seconds of CPU."""

    request: float
    """On a connection that is open."""
    connection: float
    """With a connection of its own."""


@dataclass(frozen=True, slots=True)
class Figures:
    """What one phase gave."""

    phase: Phase
    before: dict[str, Tally]
    """The crowd's requests before the attack, by kind."""
    during: dict[str, Tally]
    toll: Toll
    price: Price
    attack_cpu: float
    """The proxy's CPU time beyond what it takes for the members, in seconds."""
    alert_seconds: float | None
    told: frozenset[str]
    tells_alerts: bool
    refusal_seconds: float | None
    effect_seconds: float | None
    """From a command to its effect; None without one."""
    refused_command: str
    """Why the command could not be given; empty if it was, or if there is none."""
    bytes_before: int
    largest_bytes: int
    upstream: Report
    waited: tuple[float, float] = (0.0, 0.0)
    """Seconds that the proxy, and the members' own process, were ready and had to wait for their core."""
    loop_delay: float = 0.0
    """The latest that the proxy's event loop was seen to be, in seconds."""
    counters: dict[Key, float] = field(default_factory=dict)
    log: str = ""


@dataclass(slots=True)
class Effect:
    """What became of a command, filled in by the thread that gives it."""

    seconds: float | None = None
    refused: str = ""


def play(phase: Phase, snapshot: Path, before_seconds: float, members: int) -> Figures:
    """Play one phase."""
    prefixes = phase.attack.prefixes if phase.attack is not None else ()
    with ground(snapshot, tls=phase.tls, ipv6=is_ipv6(prefixes), members=phase.members) as place:
        crowd = Crowd(members, place.invite(members // TOKENS_AMONG), phase.extras)
        place.swarm.run(crowd.arrivals())
        place.swarm.run(crowd.plan(WARM_SECONDS, "warming: "))
        price = measure_price(place)
        watch, watcher = Watch(place.proxy.child.pid), Watcher(place.proxy, (), ())
        with watch, watcher:
            place.swarm.run(crowd.plan(before_seconds, BEFORE))
        return _attacked(phase, place, crowd, price, watch)


def _attacked(phase: Phase, place: Ground, crowd: Crowd, price: Price, calm: Watch) -> Figures:
    effect = Effect()
    telling = threading.Thread(target=_give_command, args=(phase.command, place, effect), daemon=True)
    watch, own = Watch(place.proxy.child.pid), Watch(os.getpid())
    watcher = Watcher(place.proxy, phase.alerts, phase.refused)
    toll = Toll()
    if phase.attack is None:
        with watch, own, watcher:
            place.upstream.set_signal(phase.signal)
            place.swarm.run(crowd.plan(phase.seconds))
    else:
        with attacker(phase.attack, place.target) as attacking:
            pin(attacking.pid, place.attacker_core)
            with watch, own, watcher:
                attacking.begin()
                telling.start()
                place.swarm.run(crowd.plan(phase.seconds))
            toll = attacking.end()
            telling.join()
    tallies = place.swarm.tallies
    return Figures(
        phase=phase,
        before={kind.removeprefix(BEFORE): tally for kind, tally in tallies.items() if kind.startswith(BEFORE)},
        during={kind: tally for kind, tally in tallies.items() if ": " not in kind},
        toll=toll,
        price=price,
        attack_cpu=watch.cpu_seconds - calm.cpu_seconds / calm.wall_seconds * watch.wall_seconds,
        alert_seconds=watcher.alert_seconds,
        told=frozenset(watcher.told),
        tells_alerts=knows_alerts(watcher.after),
        refusal_seconds=watcher.refusal_seconds,
        effect_seconds=effect.seconds,
        refused_command=effect.refused,
        bytes_before=calm.largest_bytes,
        largest_bytes=watch.largest_bytes,
        upstream=place.upstream.report(),
        waited=(watch.waited_seconds, own.waited_seconds),
        loop_delay=watcher.loop_delay,
        counters=watcher.changes(),
        log=place.proxy.child.log_text(),
    )


def measure_price(place: Ground) -> Price:
    """Ask for what is known, on new connections and then on the same ones."""
    callers = [Caller(address, keeps=True) for address in draw_addresses(PRICED_FROM, PRICED_CONNECTIONS)]
    name = popular_names()[0]

    def asked(times: int) -> Iterator[Asked]:
        for number in range(times * len(callers)):
            yield Asked(number / PRICED_PER_SECOND, callers[number % len(callers)], get(query(name, A)), "price: ")

    pid = place.proxy.child.pid
    spent = [cpu_seconds(pid)]
    for times in (1, PRICED_REQUESTS):
        place.swarm.run(asked(times))
        spent.append(cpu_seconds(pid))
    return Price(
        request=(spent[2] - spent[1]) / (PRICED_REQUESTS * len(callers)),
        connection=(spent[1] - spent[0]) / len(callers),
    )


# --- What the person on duty does ---


def _give_command(command: Command | None, place: Ground, effect: Effect) -> None:
    """Give it when it is time, and look when it begins to be counted what it does; the attack is going on meanwhile."""
    if command is None:
        return
    time.sleep(command.after_seconds)
    before = read_page(place.proxy.metrics_text()).get(command.acts, 0.0)
    began = time.monotonic()
    status, said = place.tell(command.words, dict(command.arguments))
    if status != HTTPStatus.OK:
        effect.refused = said if status != HTTPStatus.NOT_FOUND else "there is no such command yet"
        return
    while (waited := time.monotonic() - began) < EFFECT_SECONDS:
        if read_page(place.proxy.metrics_text()).get(command.acts, 0.0) > before:
            effect.seconds = waited
            return
        time.sleep(EFFECT_POLL_SECONDS)
