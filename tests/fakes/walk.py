"""The walk with real stages and nothing behind it: a fake clock, fake upstreams, and a list for the books."""

from collections.abc import Callable
from dataclasses import dataclass, field

import dns.edns
import dns.message

from dohproxy.cache import Cache
from dohproxy.config import (
    BansConfig,
    CacheConfig,
    Config,
    DiscoveryConfig,
    NamesConfig,
    ServerConfig,
    UpstreamAddress,
    UpstreamConfig,
)
from dohproxy.doh.exchange import HttpRequest, HttpResponse
from dohproxy.doh.request import RequestRules
from dohproxy.doh.response import http_response
from dohproxy.exits import Miss
from dohproxy.frontends.service import Service
from dohproxy.learning import learn_into
from dohproxy.outcomes import Client, Frontend, Outcome, Reason
from dohproxy.parsed_request import ParsedRequest
from dohproxy.pipeline import MissResult, Pipeline
from dohproxy.policy.bans import Bans, HashPrefix
from dohproxy.policy.gcra import SLOT_BYTES, Gcra, GcraTable
from dohproxy.policy.limits import MINIMUM_SLOTS, ClientLimit, buffer_bytes
from dohproxy.policy.names import NameRules, build_name_rules
from dohproxy.policy.penalties import Penalties, rates
from dohproxy.policy.priorities import Priorities
from dohproxy.policy.request_limiter import RequestLimiter
from dohproxy.policy.rule_switches import RuleSwitches
from dohproxy.policy.seniority import Seniority
from dohproxy.policy.suffixes import PublicSuffixes, parse_suffixes
from dohproxy.routes import Route, Routes
from dohproxy.wire.answer import Answer, parse_answer
from dohproxy.wire.name import from_text
from dohproxy.wire.query import Query
from tests.fakes.clock import FakeClock
from tests.fakes.limits import NO_BANS
from tests.fakes.resolver import FakeResolver, Script
from tests.wire import messages as m


def client_of(address: bytes, *prefixes: tuple[int, int], member: bool = False, exempt: bool = False) -> Client:
    """Return a client with these hashes, narrow to wide."""
    path = tuple(first for first, _ in reversed(prefixes))
    hashes = prefixes[:1] if member else prefixes
    return Client(address, hashes, exempt=exempt, member=member, prefixes=prefixes, path=path)


CLIENT = client_of(b"\xc0\x00\x02\x01", (1, 2), (3, 4))
MEMBER = client_of(b"\xc0\x00\x03\x01", (11, 12), (13, 14), member=True)
NEIGHBOUR = client_of(b"\xc6\x33\x64\x01", (501, 502), (503, 504))
RULES = RequestRules("/dns-query", 1_024)
DEADLINE_SECONDS = 5.0
SLOTS = 1_024
NO_DOMAIN_LIMITS = NamesConfig(
    domain_misses_per_second=100_000,
    domain_misses_burst=1_000_000,
    domain_failures_per_second=100_000,
    domain_failures_burst=1_000_000,
)
TELLING = Config(
    (UpstreamConfig("ns0", UpstreamAddress("udp", "192.0.2.53", 53)),),
    ServerConfig(host="doh.example.net"),
    discovery=DiscoveryConfig(enabled=True),
)
"""A service behind a front proxy that tells clients of itself."""
SUFFIXES = parse_suffixes(
    """
// ===BEGIN ICANN DOMAINS===
com
net
org
info
uk
co.uk
arpa
in-addr.arpa
ip6.arpa
*.ck
!www.ck
// ===END ICANN DOMAINS===
// ===BEGIN PRIVATE DOMAINS===
example-cdn.net
// ===END PRIVATE DOMAINS===
""",
    last_changed=1_700_000_000.0,
)
"""A list of the size of a page; every name under another top-level domain does not exist."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Requests that one client, and all together, may send at one instant; far more than a test does, unless said."""

    requests: int = 10_000
    misses: int = 10_000
    total: int = 10_000
    slots: int = 100
    fair_share: int = 10_000


def client_limit(burst: int) -> ClientLimit:
    """One table that lets `burst` through, then one a second."""
    return ClientLimit((GcraTable(memoryview(bytearray(SLOTS * SLOT_BYTES)), per_second=1.0, burst=burst),))


def request_limiter(limits: Limits, switches: RuleSwitches | None = None) -> RequestLimiter:
    """All limits, each refilled by one a second."""
    total = Gcra(memoryview(bytearray(SLOT_BYTES)), per_second=1.0, burst=limits.total)
    return RequestLimiter(
        *(client_limit(limits.requests), client_limit(limits.misses), total, limits.slots),
        priorities(limits.fair_share),
        switches,
    )


def priorities(fair_share: int) -> Priorities:
    """Who goes first, with nobody known yet."""
    shares = GcraTable(memoryview(bytearray(SLOTS * SLOT_BYTES)), per_second=1.0, burst=fair_share)
    return Priorities(Seniority(memoryview(bytearray(SLOTS * SLOT_BYTES))), shares)


def penalties(rules: BansConfig, hash_prefix: HashPrefix = lambda packed, bits: (hash(packed), bits)) -> Penalties:
    """Who keeps points, with nobody banned yet."""
    tables = tuple(
        GcraTable(memoryview(bytearray(SLOTS * SLOT_BYTES)), per_second=per_second, burst=burst)
        for per_second, burst in rates(rules)
    )
    return Penalties(Bans(rules, hash_prefix), tables, rules)


def names(
    config: NamesConfig,
    suffixes: PublicSuffixes = SUFFIXES,
    *,
    may_deny: bool = False,
    switches: RuleSwitches | None = None,
) -> NameRules:
    """The rules about names."""
    tables = [memoryview(bytearray(buffer_bytes(MINIMUM_SLOTS))) for _ in range(2)]
    found = build_name_rules(
        config, suffixes, *tables, secret=b"secret of tests!", negative_ttl_max=900, rules=switches
    )
    found.use(suffixes, may_deny=may_deny)
    return found


def address_of(query: Query, *, ttl: int = 300) -> Answer:
    """What an honest upstream says to most questions."""
    return parse_answer(m.answer(m.record(query.qtype, ttl=ttl), asked=query.question), query)


def post(wire: bytes, path: str = "/dns-query") -> HttpRequest:
    """The usual request around a query."""
    return HttpRequest("POST", path, wire, content_type="application/dns-message")


def ask_for(name: str, qtype: int = m.A, *, flags: int = m.RD, edns: bool = True, dnssec_ok: bool = False) -> bytes:
    """A query as clients send it."""
    additional = (m.opt(dnssec_ok=dnssec_ok),) if edns or dnssec_ok else ()
    return m.query(m.question(m.name(name), qtype), *additional, flags=flags)


def errors_in(reply: dns.message.Message) -> list[int]:
    """The EDE info codes of a reply."""
    return [int(option.code) for option in reply.options if isinstance(option, dns.edns.EDEOption)]


@dataclass(slots=True)
class Walk:
    """One service, from the frontend's bytes to the upstream's words."""

    limits: Limits = field(default_factory=Limits)
    rules: CacheConfig = field(default_factory=CacheConfig)
    script: Script = address_of
    clock: FakeClock = field(default_factory=FakeClock)
    outcomes: list[Outcome] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    about_names: NamesConfig = NO_DOMAIN_LIMITS
    may_deny: bool = False
    """Whether names under top-level domains that are not in SUFFIXES do not exist."""
    ban_rules: BansConfig = NO_BANS
    routed: tuple[str, ...] = ()
    """Domains of one route, whose upstreams are `home`."""
    routes_limit_domains: bool = False
    switches: RuleSwitches = field(default_factory=RuleSwitches)
    """How rules are held."""
    cache: Cache = field(init=False)
    home: FakeResolver = field(init=False)
    home_cache: Cache = field(init=False)
    request_limiter: RequestLimiter = field(init=False)
    names: NameRules = field(init=False)
    penalties: Penalties = field(init=False)
    resolver: FakeResolver = field(init=False)
    routes: Routes = field(init=False)
    pipeline: Pipeline = field(init=False)
    service: Service = field(init=False)

    def __post_init__(self) -> None:
        self.request_limiter = request_limiter(self.limits, self.switches)
        self.names = names(self.about_names, may_deny=self.may_deny, switches=self.switches)
        self.cache = Cache(self.rules, is_listed=self.names.undelegated.is_listed, judge=self.names.judge)
        self.resolver = FakeResolver(learn_into(self.cache, self.names.domains, self.clock), self.script)
        self.home_cache = Cache(self.rules)
        domains = self.names.domains if self.routes_limit_domains else None
        self.home = FakeResolver(learn_into(self.home_cache, domains, self.clock), self.script)
        route = Route(self.home_cache, self.home, is_general=False, limits_domains=self.routes_limit_domains)
        self.routes = Routes(Route(self.cache, self.resolver), {from_text(domain): route for domain in self.routed})
        self.penalties = penalties(self.ban_rules)
        self.pipeline = Pipeline(
            *(self.request_limiter, self.names, self.routes, self.tally, self.clock, DEADLINE_SECONDS),
            self.penalties,
            self.switches,
        )
        self.service = Service(self.pipeline, RULES)

    @property
    def slots_taken(self) -> int:
        """Misses under way."""
        return self.request_limiter.slots.taken

    @property
    def charged(self) -> int:
        """Refusals counted against clients."""
        return self.request_limiter.statistics(self.clock()).requests.charged

    @property
    def reason(self) -> Reason:
        """Why the last request ended as it did."""
        return self.outcomes[-1].reason

    def tally(self, outcome: Outcome) -> Callable[[float], None]:
        """Enter each request that ends like this into the books."""

        def count(seconds: float) -> None:
            self.outcomes.append(outcome)
            self.seconds.append(seconds)

        return count

    def begin(self, request: HttpRequest, client: Client = CLIENT) -> HttpResponse | Miss:
        """Read a request, and walk as far as can be gone without waiting."""
        return self.repeat(self.service.read(request, Frontend.HTTP1), client)

    def repeat(self, parsed: ParsedRequest, client: Client = CLIENT) -> HttpResponse | Miss:
        """Walk with what has been read before."""
        found = self.pipeline.begin(parsed, client, self.clock())
        return found if isinstance(found, Miss) else http_response(found, parsed.variant)

    async def send(self, request: HttpRequest, client: Client = CLIENT) -> HttpResponse:
        """Walk to the end, and hold the promise that each request is in the books once."""
        before = len(self.outcomes)
        found = self.begin(request, client)
        if isinstance(found, Miss):
            assert len(self.outcomes) == before
            found = self.resolve(found)
        assert len(self.outcomes) == before + 1
        return found

    def resolve(self, miss: Miss) -> HttpResponse:
        """Walk the rest of the way; whoever is asked here answers at once."""
        told: list[MissResult] = []
        self.pipeline.ask(miss, told.append)
        parsed = miss.arrival.parsed
        return http_response(self.pipeline.conclude(miss, told[0]), parsed.variant)

    async def ask(self, wire: bytes, client: Client = CLIENT) -> dns.message.Message:
        """Send a query and read the reply."""
        response = await self.send(post(wire), client)
        assert response.status == 200
        return dns.message.from_wire(response.body)
