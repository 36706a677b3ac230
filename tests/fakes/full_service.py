"""A whole service in this process, and how it is filled with all that there may be of everything."""

import asyncio
import contextlib
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from itertools import product
from pathlib import Path
from typing import Any

from dohproxy.builders import clock
from dohproxy.config.files import load
from dohproxy.config.overlay import BUDGET_KEYS, open_keys
from dohproxy.config.schema import MAX_UPSTREAMS
from dohproxy.control.hand_limits import HandLimit
from dohproxy.doh.dialects import Dialect
from dohproxy.jobs.certificate_watch import CertificateWatch
from dohproxy.jobs.recent_alerts import MOST_RECENT
from dohproxy.observability.detectors.judgement import AlertEvent, AlertKind
from dohproxy.observability.logs import RateLimit
from dohproxy.outcomes import OUTCOMES, Frontend, Outcome, Reason
from dohproxy.policy.announcements import MOST_ANNOUNCEMENTS, MOST_CHARACTERS
from dohproxy.policy.bans import MOST_COMMANDS
from dohproxy.policy.blocklists.by_hand import MOST_ENTRIES, HandEntry
from dohproxy.policy.prefixes import parse_prefix
from dohproxy.policy.standing import Standing
from dohproxy.runtime import Runtime
from dohproxy.tls.policy import bare_context
from dohproxy.wire.malformed import Fault
from dohproxy.wire.numbers import Rcode
from dohproxy.workers.seat import SOLE, Seat
from tests.fakes.upstream import FakeUpstream


@asynccontextmanager
async def serving(
    directory: Path,
    sections: str,
    upstream: FakeUpstream,
    *,
    within: float = 60.0,
    when_managed: Callable[[], None] = lambda: None,
    seat: Seat = SOLE,
) -> AsyncIterator[tuple[Runtime, Any]]:
    """Serve with an upstream named first, and these sections, for so many seconds at most, as who sits there; yield the
    runtime and where it listens."""
    file = directory / "dohproxy.toml"
    url = upstream.config().url
    file.write_text(f'{sections}\n[[upstream]]\nname = "first"\nurl = "{url}"\npreset = "own"\n')
    config = load(file)
    tls = certificate = None
    if config.tls is not None:
        tls = bare_context()
        certificate = CertificateWatch(config.tls, config.server.host, tls)
    with contextlib.ExitStack() as sockets:
        async with asyncio.timeout(within), asyncio.TaskGroup() as tasks:
            limit = RateLimit(10.0, clock)
            runtime = Runtime(
                *(config, tasks, sockets),
                file=file,
                certificate=certificate,
                tls=tls,
                log_limit=limit,
                when_managed=when_managed,
                seat=seat,
            )
            announced: asyncio.Future[tuple[str, ...]] = asyncio.get_running_loop().create_future()
            stop = asyncio.Event()
            running = tasks.create_task(runtime.run(runtime.listen(), announced.set_result, stop))
            await announced
            [listener] = runtime.listeners.by_place.values()
            yield runtime, listener.listening.getsockname()
            stop.set()
            await running


def crowd(directory: Path) -> str:
    """The sections of a service with as many upstreams and routes as there may be."""
    routes = "".join(
        f"""
        [[route]]
        domains = ["route{number}.example"]
        upstreams = ["inner{number}"]
        [[upstream]]
        name = "inner{number}"
        url = "udp://127.0.0.1:{9 + number}"
        """
        for number in range(MAX_UPSTREAMS - 1)
    )
    return f"""
        [server]
        listen = ["127.0.0.1:0"]
        [names]
        withhold_private_addresses = true
        [metrics]
        listen = "unix:{directory}/metrics"
        [admin]
        socket = "{directory}/admin"
        {routes}
        """


STEPS = 8_000
SPREAD = [(("http2", "GET", number % 500), number) for number in range(12_000)]
SPREAD.sort(key=lambda one: one[1] * 7_919 % 12_000)


def five_milliseconds() -> float:
    """The seconds of CPU that something takes which is 5 ms of a processor that nobody else uses: half of it text, half
    of it a walk over things that lie all about, as whoever shares the processor's caches slows down that most."""
    begun = time.thread_time()
    for number in range(STEPS):
        f"{number}_{number / 7:.3f}"
    counts: defaultdict[tuple[str, str, int], int] = defaultdict(int)
    for name, count in SPREAD:
        counts[name[0], name[1], name[2]] += count
    return time.thread_time() - begun


def fill(runtime: Runtime) -> None:
    """Let requests have ended in every way there is, and ten thousand clients be connected."""
    answers, faults = [*Rcode, 4_000], [*Fault]
    http = product(Reason, (Frontend.HTTP1, Frontend.HTTP2), ("GET", "POST", "other"), set(Dialect) - {Dialect.DOT})
    said = [reason for reason in Reason if not OUTCOMES[reason].closes]
    unsaid = [Reason.UNREADABLE, Reason.BODY_TOO_LARGE, Reason.SLOW_REQUEST, Reason.UNKNOWN_TOKEN]
    dot = [
        *product(said, (Frontend.DOT,), ("query",), (Dialect.DOT,)),
        *product((*unsaid, Reason.CLIENT_LIMIT, Reason.BANNED), (Frontend.DOT,), ("other",), (Dialect.OTHER,)),
    ]
    for number, (reason, frontend, method, dialect) in enumerate((*http, *dot)):
        for rcode in answers if OUTCOMES[reason].rcode is None and not OUTCOMES[reason].is_refusal else (None,):
            fault = faults[number % len(faults)]
            outcome = Outcome(reason, frontend, method, dialect, fault=fault, answered_rcode=rcode)
            runtime.core.tallies.tally(outcome)(number / 1_000)
    for number in range(10_000):
        client = runtime.server.identities.client(b"\xc6" + number.to_bytes(3))
        runtime.core.request_limiter.admit_request(client, clock())
        runtime.core.request_limiter.priority(client, clock())
        runtime.server.connection_limiter.enter(client, Standing.STRANGER, clock())


async def fill_what_people_do(runtime: Runtime) -> None:
    """Let everything be said and held by hand that may be, and all places for bans and for alerts of late be taken."""
    now, wall = clock(), time.time()
    bans = runtime.bans()
    for number in range(runtime.config.bans.max_bans):
        bans.ban_by_rule(runtime.look_at(b"\x0a" + number.to_bytes(3)), 0, "points", now)
    for number in range(MOST_COMMANDS):
        bans.ban(parse_prefix(f"172.16.{number // 256}.{number % 256}"), 3_600.0, "r" * 80, now, spares=True)
    for number in range(MOST_ENTRIES):
        label = f"n{number}".encode()
        name = bytes((len(label),)) + label + b"\x07example\x00"
        runtime.blocks.entries.put(HandEntry(name, is_block=True, below=False, until=wall + 3_600.0))
    for number in range(MOST_ANNOUNCEMENTS):
        runtime.announcements.announce(f"{number}".ljust(MOST_CHARACTERS, "x"), wall + 3_600.0, wall)
    kinds = [*AlertKind]
    for number in range(MOST_RECENT):
        kind = kinds[number % len(kinds)]
        runtime.alerting.recent.note(AlertEvent(kind, f"{number}", True, "w" * 200, "r" * 200, now, now), wall)
    for path, key in open_keys(runtime.config).items():
        if path.rpartition(".")[2] in BUDGET_KEYS:
            await runtime.hand_limits.hold(HandLimit(path, key.value, now + 3_600.0))
