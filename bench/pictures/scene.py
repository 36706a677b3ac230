"""What the pictures show: an association's service with its members, over which the flood of September 2019 comes.

The service, its upstreams' budgets, its members and the strangers are those of `bench.incident`, at 100 times the speed
of that day. What a running service would have learnt by then is in its state file from the beginning: a day of
questions that is made up, two incidents, and what is usual here. All else is what this run gives.
"""

import asyncio
import json
import math
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from bench.asking import asking
from bench.ban.process import simulator_process
from bench.drill.attacker import Attacker, Target, attacker
from bench.drill.plans import DAY_SPEED, Requests
from bench.guest import ASSOCIATIVE
from bench.incident.members import Browsing, browse, callers, networks
from bench.incident.replay import UPSTREAM
from bench.incident.strangers import ADDRESSES, DAY_SECONDS, REQUESTS
from bench.names import Popularity, popular_names
from dohproxy.control.client import send
from dohproxy.jobs.state_codec import SavedState, encode
from dohproxy.jobs.state_file import NAME as STATE_NAME
from dohproxy.jobs.state_key import open_key
from dohproxy.pages.day import QUARTER_SECONDS, QUARTERS
from dohproxy.pages.incidents import Incident, IncidentKind, Level
from tests.e2e.certificates import CertificateAuthority
from tests.e2e.processes import free_port
from tests.e2e.proxy import Proxy, ProxySettings, Sections, running_proxy
from tests.fakes.pages import quarter

HOUR: Final = 3_600.0
UPSTREAMS: Final = 2
MEMBERS: Final = 60
ABOUT: Final = {"name": "Example Association", "url": "https://example.org/", "contact": "dns@example.org"}
ANNOUNCED: Final = "A public list names this service without having asked us. Members are answered first meanwhile."
USUAL: Final = {
    "requests_per_second": 4.0,
    "connections_per_second": 1.0,
    "newcomers_per_minute": 10.0,
    "networks_per_hour": 60.0,
    "member_seconds": 0.5,
}
"""What the service has learnt of an ordinary day, by the names of its detectors."""
LOOK_SECONDS: Final = 0.5
LOOKS: Final = 120
"""At what the service has to notice by itself: a minute of them."""


@dataclass(frozen=True, slots=True)
class Pace:
    """How long each part lasts before it is looked at, in seconds."""

    quiet: float
    flood: float


FULL: Final = Pace(75.0, 45.0)
"""In which the lines of the charts have a shape, and budgets have grown from what they are after a start."""
QUICK: Final = Pace(5.0, 0.0)
"""As short as it can be."""


class Scene:
    """All that runs. Made by `scene`."""

    def __init__(self, proxy: Proxy, socket: Path, flood: Attacker, upstreams: ExitStack) -> None:
        self.proxy = proxy
        self._socket = socket
        self._flood = flood
        self._upstreams = upstreams

    async def ask(self, name: str, **values: Any) -> Mapping[str, Any]:
        """Give a command at the socket, and return what is said."""
        answer = await asyncio.to_thread(send, self._socket, f"/v1/{name}", values, 30.0)
        if not answer.body.get("sentence"):
            raise RuntimeError(f"{name}: {answer}")
        return answer.body

    async def begin_flood(self) -> None:
        """Let the strangers come, and tell everybody so as soon as it is known; return when the public page says so."""
        self._flood.begin()
        await self._until(lambda: "listed" in self._alerts(), "the alert")
        await self.ask("announce", text=ANNOUNCED, **{"for": "1d"})
        await self._until(lambda: self._tells("limited", announcements=1), "the page")

    async def lose_upstreams(self) -> None:
        """End them, and return when the public page says so."""
        self._upstreams.close()
        await self._until(lambda: self._tells("disturbed", announcements=1), "the page")

    async def _until(self, holds: Callable[[], bool], what: str) -> None:
        for _ in range(LOOKS):
            if await asyncio.to_thread(holds):
                return
            await asyncio.sleep(LOOK_SECONDS)
        raise RuntimeError(f"{what} did not tell so within {LOOKS * LOOK_SECONDS:g} s:\n{self.proxy.child.log_text()}")

    def _alerts(self) -> set[str]:
        told = self.proxy.metrics("dohproxy_alert_active", "alert", ["listed"])
        return {alert for alert, count in told.items() if count}

    def _tells(self, level: str, *, announcements: int) -> bool:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.proxy.port}/status.json", timeout=10) as answer:
            found = json.load(answer)
        return found["level"] == level and len(found["announcements"]) == announcements


@contextmanager
def scene(directory: Path, seconds: float) -> Iterator[Scene]:
    """Start all of it, with members who browse for so long and strangers who are ready to come."""
    with ExitStack() as running, ExitStack() as upstreams:
        ports = [upstreams.enter_context(simulator_process(UPSTREAM)).port for _ in range(UPSTREAMS)]
        socket, state = directory / "admin.sock", directory / "state"
        state.mkdir(mode=0o700)
        write_past(state, time.time())
        sections: Sections = {
            "server": {"host": "doh.example.org", "state_directory": str(state)},
            "clients": {"member_networks": networks(MEMBERS)},
            "admin": {"socket": str(socket), "listen": f"127.0.0.1:{free_port()}"},
            "pages": {"enabled": True},
            "about": ABOUT,
        }
        settings = ProxySettings(
            tuple(f"udp://127.0.0.1:{port}" for port in ports),
            CertificateAuthority(directory),
            sections=sections,
            upstream=ASSOCIATIVE,
            limited=True,
        )
        proxy = running.enter_context(running_proxy(directory, settings))
        strangers = Requests("listed", DAY_SPEED * REQUESTS / DAY_SECONDS, ADDRESSES, (), seconds)
        flood = running.enter_context(attacker(strangers, Target(proxy.port)))
        plan = browse(Browsing(MEMBERS, seconds), Popularity(popular_names()), callers(MEMBERS))
        running.enter_context(asking(proxy.port, plan))
        yield Scene(proxy, socket, flood, upstreams)


# --- What was before ---


def write_past(directory: Path, now: float) -> None:
    """Write a state file as a service leaves it that has run for days and has just ended; `now` is Unix seconds."""
    key = open_key(directory)
    values = {"pages": past(now), "usual": USUAL}
    content = encode(SavedState(now, True, values, {}), key)
    file = directory / STATE_NAME
    file.touch(mode=0o600)
    file.write_bytes(content)


def past(now: float) -> dict[str, Any]:
    """Return what the public pages tell of a day on which all was well, as the state file has it."""
    newest = math.floor(now / QUARTER_SECONDS)
    incidents = (
        Incident(IncidentKind.FLOOD, now - 52 * HOUR, now - 50 * HOUR),
        Incident(IncidentKind.UPSTREAM, now - 30 * HOUR, now - 29 * HOUR),
    )
    return {
        "day": [_quarter(number, newest - QUARTERS + 1 + number) for number in range(QUARTERS)],
        "incidents": {
            "all": [asdict(one) | {"kind": one.kind.value} for one in incidents],
            "level": int(Level.WELL),
            "level_since": now - 50 * HOUR,
            "looked_at": now,
        },
    }


def _quarter(number: int, since_1970: int) -> Mapping[str, int | float | Sequence[int]]:
    counts = quarter(number)
    return {
        "quarter": since_1970,
        "answered": counts.answered,
        "asked": counts.asked,
        "buckets": list(counts.buckets),
        "seconds": counts.seconds,
    }
