"""What the public pages are made of, as a small association would have it one afternoon."""

import math
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from dohproxy.config import AboutConfig, Config, UpstreamConfig, default_config
from dohproxy.config.addresses import UpstreamAddress
from dohproxy.observability.tallies import LATENCY_BOUNDS
from dohproxy.pages.day import QUARTER_SECONDS, QUARTERS, Counts
from dohproxy.pages.document import Kind, Language
from dohproxy.pages.facts import Facts, Place, Restriction, WithheldList
from dohproxy.pages.incidents import Incident, IncidentKind, Level

AT = datetime(2027, 3, 1, 14, 5, 20, tzinfo=UTC).timestamp()
HOUR = 3_600.0
PUBLIC = "9.9.9.9"
"""An address that is somebody's; nothing is sent there."""

PLACE = Place({
    "status.json": "/status.json",
    **{f"{kind}.{language}": f"/{language}/{kind}" for kind in Kind for language in Language},
})  # fmt: skip

ABOUT = AboutConfig(
    name="Example Association",
    url="https://example.org/",
    contact="dns@example.org",
    imprint="Example Association, 1 Example Street, 75000 Paris",
    object_to="https://example.org/blocks",
)
CONFIG: Config = replace(
    default_config((UpstreamConfig("quad9", UpstreamAddress("tls", PUBLIC, 853, "dns.quad9.net")),)), about=ABOUT
)


@dataclass(frozen=True, slots=True)
class Note:
    """An announcement, as whoever keeps them has it."""

    number: int
    text: str
    since: float
    until: float | None = None


def quarter(number: int) -> Counts:
    """One of the day's: little at night, more in the morning, most in the evening."""
    hour = (14 + number / 4) % 24
    morning, evening = math.exp(-(((hour - 10) / 3) ** 2)), math.exp(-(((hour - 20.5) / 2.5) ** 2))
    answered = int(QUARTER_SECONDS * (0.5 + 2.2 * morning + 3.4 * evening) * (1 + number * 37 % 11 / 60))
    asked = answered // 5
    buckets = [0] * (len(LATENCY_BOUNDS) + 1)
    slow = asked * (6 + number * 53 % 17) // 100
    buckets[0], buckets[4], buckets[5], buckets[7] = answered - asked, asked // 3, asked - asked // 3 - slow, slow
    return Counts(answered, asked, tuple(buckets), float(QUARTER_SECONDS))


def facts(**changes: object) -> Facts:
    """A day on which all is well, with what a test wants otherwise."""
    usual = Facts(
        host="doh.example.org",
        url="https://doh.example.org/dns-query",
        about=ABOUT,
        at=AT,
        level=Level.WELL,
        level_since=AT - 50 * HOUR,
        incidents=(
            Incident(IncidentKind.UPSTREAM, AT - 30 * HOUR, AT - 29 * HOUR),
            Incident(IncidentKind.FLOOD, AT - 52 * HOUR, AT - 50 * HOUR),
        ),
        restriction=Restriction(),
        quarters=tuple(quarter(number) for number in range(QUARTERS)),
        withheld=(WithheldList("gambling-2027: TJ Paris, 27/01234", "law", 118, 0, AT + 2_000 * HOUR),),
        by_hand=0,
        announcements=(),
    )
    return replace(usual, **changes)  # type: ignore[arg-type]  # they are its fields


LIMITED = facts(
    level=Level.LIMITED,
    level_since=AT - HOUR / 2,
    incidents=(Incident(IncidentKind.LISTED, AT - HOUR / 2), Incident(IncidentKind.FLOOD, AT - HOUR / 4)),
    restriction=Restriction(members_only=True, until=AT + HOUR),
    announcements=(
        Note(3, "Maintenance on Sunday from 6 to 7 UTC: some minutes without answers.", AT - 3 * HOUR, AT + 40 * HOUR),
    ),
)
DISTURBED = facts(
    level=Level.DISTURBED,
    level_since=AT - 600,
    incidents=(Incident(IncidentKind.WAY_OUT, AT - 600), Incident(IncidentKind.STOPPED, AT - 9_000, AT - 7_000)),
    about=AboutConfig(),
    withheld=(),
    quarters=tuple(quarter(number) if number > 60 else None for number in range(QUARTERS)),
)
