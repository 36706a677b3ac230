"""People behind one address are never banned for browsing, and those who mean harm are."""

import heapq
import itertools
import random
from collections.abc import Callable, Iterator
from ipaddress import ip_address

import pytest

from dohproxy.builders import build_request_limiter
from dohproxy.config import BansConfig, LimitsConfig, UpstreamAddress, UpstreamConfig
from dohproxy.doh.exchange import HttpRequest
from dohproxy.exits import Miss
from dohproxy.frontends.service import Service
from dohproxy.outcomes import Client, Frontend, Reason
from dohproxy.pipeline import Pipeline
from dohproxy.policy.identity import Identities
from dohproxy.policy.prefixes import show_prefix
from dohproxy.upstream.resolver import UpstreamFailure
from dohproxy.wire.answer import Answer, parse_answer
from dohproxy.wire.query import Query
from tests.fakes.walk import DEADLINE_SECONDS, NO_DOMAIN_LIMITS, RULES, Walk, address_of, ask_for, post
from tests.wire import messages as m

pytestmark = pytest.mark.interpreted  # its resolver is derived from ours, which the compiled one allows nobody

IDENTITIES = Identities(bytes(32))
OFFICE = IDENTITIES.client(ip_address("192.0.2.7").packed)
MEMBERS = 60
NAMES_OF_PAGE = 100
PAGE_SECONDS = 2.0
ABSENT_SHARE, BROKEN_SHARE = 0.10, 0.01
COMMON_SHARE = 0.7
"""Names that others have asked for already: fonts, statistics, the same news."""

Due = tuple[float, int, HttpRequest]


def answer(query: Query) -> Answer | UpstreamFailure:
    """What an upstream says: the first letter of a name decides."""
    match query.qname[1:2]:
        case b"x":
            above = m.record(m.SOA, m.soa()[-22:], ttl=60, owner=query.qname[query.qname.rindex(b"\x03net") :])
            return parse_answer(m.answer(authority=(above,), asked=query.question, flags=m.QR | m.RA | 3), query)
        case b"s":
            broken = parse_answer(m.answer(asked=query.question, flags=m.QR | m.RA | 2), query)
            return UpstreamFailure(Reason.UPSTREAM_REFUSED, broken)
        case _:
            return address_of(query, ttl=60)


class Town:
    """A service with the default limits and bans, whose clients come from where a test says."""

    def __init__(self, limits: LimitsConfig | None = None, bans: BansConfig | None = None) -> None:
        limits = limits or LimitsConfig()
        self.walk = walk = Walk(script=answer, ban_rules=bans or BansConfig(), about_names=NO_DOMAIN_LIMITS)
        walk.request_limiter = build_request_limiter(
            limits, (UpstreamConfig("ns0", UpstreamAddress("udp", "192.0.2.53", 53)),)
        )
        walk.pipeline = Pipeline(
            walk.request_limiter,
            walk.names,
            walk.routes,
            walk.tally,
            walk.clock,
            DEADLINE_SECONDS,
            walk.penalties,
        )
        walk.service = Service(walk.pipeline, RULES)
        self.statuses: dict[int, int] = {}

    def send(self, due: float, request: HttpRequest, client: Client = OFFICE) -> int:
        """Send a request at its time; return the status."""
        walk = self.walk
        walk.clock.now = max(walk.clock.now, due)
        found = walk.begin(request, client)
        response = walk.resolve(found) if isinstance(found, Miss) else found
        self.statuses[response.status] = self.statuses.get(response.status, 0) + 1
        return response.status

    def banned(self) -> list[str]:
        """Return who is banned."""
        return [show_prefix(ban.prefix) for _, ban in self.walk.penalties.bans.by_rule() if ban.prefix is not None]

    def seconds_until_ban(self, requests: Iterator[tuple[float, HttpRequest]], at_most: float) -> float:
        """Send until its client is banned; return after how long."""
        begun = self.walk.clock.now
        for due, request in requests:
            self.send(begun + due, request)
            if self.banned():
                return due
            assert due < at_most, f"nobody is banned after {at_most} s"
        raise AssertionError


def name_on_page(draw: random.Random, number: int) -> str:
    kind = draw.random()
    letter = "x" if kind < ABSENT_SHARE else "s" if kind < ABSENT_SHARE + BROKEN_SHARE else "w"
    own = draw.randrange(500) if draw.random() < COMMON_SHARE else 1_000 + number
    return f"{letter}{own}.example.net"


def page(draw: random.Random, begin: float, numbers: Iterator[int]) -> Iterator[Due]:
    """The names of one page, within two seconds."""
    for number in itertools.islice(numbers, NAMES_OF_PAGE):
        yield begin + draw.random() * PAGE_SECONDS, number, post(ask_for(name_on_page(draw, number)))


def browse(town: Town, pages: list[float], *, tries: int) -> None:
    """Have pages opened at these moments. Who is refused asks again after a second, so many times in all."""
    draw, numbers = random.Random(7), itertools.count()  # noqa: S311 - the same each time
    begun = town.walk.clock.now
    waiting = [due for moment in pages for due in page(draw, begun + moment, numbers)]
    tried: dict[int, int] = {}
    heapq.heapify(waiting)
    while waiting:
        due, number, request = heapq.heappop(waiting)
        if town.send(due, request) == 429:
            tried[number] = tried.get(number, 1) + 1
            if tried[number] <= tries:
                heapq.heappush(waiting, (due + 1.0, number, request))


def test_sixty_members_behind_one_address_browse_and_nobody_is_banned() -> None:
    draw, town = random.Random(1), Town()  # noqa: S311 - the same each time
    pages = [draw.random() * 900 for _ in range(MEMBERS * 3)]  # A page in five minutes each.
    browse(town, pages, tries=3)
    assert town.banned() == []
    assert town.statuses[200] > 0.8 * MEMBERS * 3 * NAMES_OF_PAGE


@pytest.mark.parametrize("within", [2.0, 60.0], ids=["at once", "within a minute"])
def test_all_of_them_open_a_page_when_the_meeting_is_over_and_nobody_is_banned(within: float) -> None:
    draw, town = random.Random(2), Town()  # noqa: S311 - the same each time
    pages = [day + draw.random() * within for day in (0, 600) for _ in range(MEMBERS)]
    browse(town, pages, tries=3)
    assert town.banned() == []
    assert town.statuses[429] > 1_000  # Most of it was too much for one client, and that is all that comes of it.


def test_an_office_with_higher_limits_whose_names_are_all_new_is_not_banned() -> None:
    town = Town(LimitsConfig(requests_per_second=1_000, requests_burst=10_000, misses_per_second=1_000,
                             misses_burst=10_000))  # fmt: skip
    draw = random.Random(3)  # noqa: S311 - the same each time
    browse(town, [draw.random() * 120 for _ in range(MEMBERS * 2)], tries=1)
    assert town.banned() == []
    assert set(town.statuses) == {200}


def every(seconds: float, make: Callable[[int], HttpRequest]) -> Iterator[tuple[float, HttpRequest]]:
    for number in itertools.count():
        yield number * seconds, make(number)


def test_a_flood_is_banned_within_half_a_minute() -> None:
    flood = every(0.001, lambda _: post(ask_for("www.example.net")))
    assert Town().seconds_until_ban(flood, at_most=60) < 30


def test_malformed_messages_are_banned_within_seconds() -> None:
    assert Town().seconds_until_ban(every(0.1, lambda _: post(b"\x00" * 40)), at_most=30) < 15


def test_random_names_are_banned_within_minutes_however_the_limits_are_kept_to() -> None:
    names = every(0.05, lambda number: post(ask_for(f"x{number}.example.net")))
    assert Town().seconds_until_ban(names, at_most=600) < 600


def test_random_names_are_banned_soon_where_the_limits_let_them_through() -> None:
    limits = LimitsConfig(requests_per_second=1_000, requests_burst=1_000, misses_per_second=1_000, misses_burst=1_000)
    names = every(0.01, lambda number: post(ask_for(f"x{number}.example.net")))
    assert Town(limits).seconds_until_ban(names, at_most=60) < 30


def test_broken_names_are_banned_where_the_limits_let_them_through() -> None:
    limits = LimitsConfig(requests_per_second=1_000, requests_burst=1_000, misses_per_second=1_000, misses_burst=1_000)
    names = every(0.005, lambda number: post(ask_for(f"s{number}.example.net")))
    assert Town(limits).seconds_until_ban(names, at_most=120) < 60


def test_what_is_said_again_costs_its_client_again() -> None:
    town = Town(LimitsConfig(requests_per_second=100_000, requests_burst=100_000))
    walk = town.walk
    parsed = walk.service.read(post(b"\x00" * 40), Frontend.HTTP1)
    for _ in range(104):
        walk.repeat(parsed, OFFICE)
    assert town.banned() == ["192.0.2.7"]
