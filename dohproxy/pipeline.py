"""THE WALK: the only file that knows in which order a request is judged.

    bytes ─ frontend ─ turn_away_early() ── client's limit: 429 for who is over it already, unread
                  read() ───── HTTP shape, dialect
                  begin() ─┬─ refused by these ────── 4xx
                            ├─ client's limit ─────── 429
                            ├─ the very same request: what was said to it a moment ago
                            ├─ parse ──────────────── 400, FORMERR, NOTIMP
                            ├─ refused questions ──── REFUSED, BADVERS
                            ├─ route: whose cache, upstreams and line these are from here on
                            ├─ local answers ──────── the answer
                            ├─ cache ──────────────── the answer, or that a name above does not exist
                            │       ╰ popular and near its end, or given beyond it: refresh() upstream, unawaited
                            ├─ undelegated names ──── NXDOMAIN
                            ├─ remembered failure ─── stale, or SERVFAIL
                            ├─ service's limit ────── stale (and refresh), or 503
                            ├─ domain's limit ─────── stale, or REFUSED
                            ├─ client's miss limit ── stale, or REFUSED
                            ├─ places for misses ──── stale, or 503
                            └─ Miss ─ ask() ─ upstream ─ conclude() ─ the answer, stale, or SERVFAIL

Everything up to a cache hit happens in `read` and `begin`, two synchronous calls: a frontend answers in the callback
that read the bytes, and keeps the parsed requests of requests that come again. Only a `Miss` waits: a frontend tells
`ask` what to call then, and gives what was found to `conclude`. Replies leave through `_finish` alone, refusals through
`_refuse` alone.
"""

import math
from collections.abc import Callable, Mapping
from functools import lru_cache

from dohproxy.cache import Cache, Entry, Freshness
from dohproxy.cache.substitutes import content_instead
from dohproxy.doh.dialects import Dialect
from dohproxy.doh.exchange import HttpRequest, HttpResponse
from dohproxy.doh.request import RefusedRequest, RequestRules, read_request
from dohproxy.doh.response import refusal, response_to
from dohproxy.outcomes import OUTCOMES, Client, Frontend, Outcome, Priority, Purpose, Reason, Reply, reason_of_fault
from dohproxy.parsed_request import REPEAT_SECONDS, Answered, Count, ParsedRequest, RememberedRefusal
from dohproxy.policy.domains import DomainLimit
from dohproxy.policy.names import NameRules
from dohproxy.policy.probes import under_asked_name
from dohproxy.policy.refusals import refuse
from dohproxy.policy.request_limiter import SLOT_RETRY_SECONDS, MissSlot, RequestLimiter
from dohproxy.policy.special_names import answer_any, answer_locally
from dohproxy.routes import Route, Routes
from dohproxy.upstream.resolver import Resolver, UpstreamFailure
from dohproxy.upstream.results import Bug
from dohproxy.upstream.sends import Stoppable
from dohproxy.upstream.telling import told_of
from dohproxy.value import value
from dohproxy.wire.answer import Answer, Kind
from dohproxy.wire.malformed import Malformed
from dohproxy.wire.numbers import ExtendedError, Rcode
from dohproxy.wire.query import Query, parse_query
from dohproxy.wire.reply import Content, content_of, write_envelope, write_reply_to_refused

MissResult = Answer | UpstreamFailure | Entry | Bug | None
"""What became of a miss: an upstream's word, what somebody else's equal question had brought by then, or None where the
patience of one who has something stale has ended."""


@value
class Arrival:
    """One request: what it says, who sent it and when; nothing in it changes."""

    parsed: ParsedRequest
    client: Client
    started: float
    route: Route
    service_wait: float = 0.0
    """Seconds until the service as a whole is within its limit again; it matters to misses alone."""


@value
class Miss:
    """A question that only an upstream can answer: `Pipeline.ask` and `conclude` it, or give its place back."""

    query: Query
    arrival: Arrival
    stale: Entry | None
    """What to fall back on (RFC 8767)."""
    slot: MissSlot
    priority: Priority


class Pipeline:
    """Walks each request through every stage."""

    def __init__(
        self,
        rules: RequestRules,
        request_limiter: RequestLimiter,
        names: NameRules,
        cache: Cache,
        resolver: Resolver,
        tally: Callable[[Outcome], Count],
        clock: Callable[[], float],
        deadline_seconds: float,
        routes: Mapping[bytes, Route] | None = None,
    ) -> None:
        """`routes`: the domains, in wire form and lower case, about which others are asked."""
        self._rules = rules
        self._request_limiter = request_limiter
        self._names = names
        self._settings = cache.rules
        self._routes = Routes(Route(cache, resolver), routes)
        self._tally = tally
        self._clock = clock
        self._deadline_seconds = deadline_seconds
        self._unread = {frontend: ParsedRequest(frontend, "other", Dialect.OTHER) for frontend in Frontend}

    def adopt(
        self, rules: RequestRules, general: Route, routes: Mapping[bytes, Route], *, deadline_seconds: float
    ) -> None:
        """Take other rules, and the routes as of the constructor."""
        self._rules = rules
        self._settings = general.cache.rules
        self._routes = Routes(general, routes)
        self._deadline_seconds = deadline_seconds

    def turn_away_early(self, client: Client, frontend: Frontend, now: float) -> HttpResponse | None:
        """Refuse a request of a client that is over its limit already, before anything is read of it; None for all
        others, whose limit is asked by `begin`. What has been read before costs nothing, and need not come here."""
        if not self._request_limiter.wait_for_request(client, now):
            return None
        wait = self._request_limiter.admit_request(client, now)
        return self._refuse(Reason.CLIENT_LIMIT, self._unread[frontend], client, now, retry_after=wait)

    def read(self, request: HttpRequest, frontend: Frontend) -> ParsedRequest:
        """Read what does not depend on who sends it, nor when; equal requests may share one parsed request."""
        # HTTP shape and dialect stand first: a request that cannot be DNS costs no base64 and no DNS work.
        found = read_request(request, self._rules)
        method = request.method if request.method in ("GET", "POST") else "other"
        if isinstance(found, RefusedRequest):
            return ParsedRequest(frontend, method, found.dialect, refused=found.reason)
        return ParsedRequest(frontend, method, found.dialect, found.wire, shadow=found.shadow)

    def begin(self, parsed: ParsedRequest, client: Client, now: float) -> HttpResponse | Miss:
        """Walk as far as can be gone without waiting."""
        if parsed.refused is not None:
            return self._refuse(parsed.refused, parsed, client, now)
        # The client's limit is kept for the connection's address, which nothing in the request can change.
        wait = self._request_limiter.admit_request(client, now)
        if wait:
            return self._refuse(Reason.CLIENT_LIMIT, parsed, client, now, retry_after=wait)
        service_wait = self._request_limiter.admit_to_service(now)
        answered = parsed.answered
        if answered is not None and answered.holds(now):
            answered.count(self._clock() - now)
            return answered.response
        query = parsed.query or self._parse(parsed)
        if query is None:
            return self._answer_malformed(parsed, now)
        # From here on the query is trusted; nobody checks counts or lengths again.
        arrival = Arrival(parsed, client, now, self._routes.of(query), service_wait)
        if answered is not None and answered.entry is not None:
            # What was answered from the cache is nothing that is answered before it, and never will be.
            return self._look_up(query, arrival, now)
        return self._answer_now(query, arrival, now)

    def _parse(self, parsed: ParsedRequest) -> Query | None:
        try:
            parsed.query = parse_query(parsed.wire)
        except Malformed as malformed:
            parsed.fault = malformed.fault
        else:
            parsed.wire = b""  # All that matters of it is in the query, and parsed requests are kept.
        return parsed.query

    def _answer_now(self, query: Query, arrival: Arrival, now: float) -> HttpResponse | Miss:
        reason = refuse(query)
        if reason is not None:
            return self._fail(query, arrival, reason, repeat_until=now + REPEAT_SECONDS)
        # Probes with random names become one name; from here on that is what is looked up and asked.
        query = self._names.probes.absorb(query)
        # Constant answers; these names never leave the machine, unless a route says so.
        local = answer_locally(query) if arrival.route.is_general else answer_any(query)
        if local is not None:
            return self._finish(
                query, local.content, local.reason, local.ttl, arrival, repeat_until=now + REPEAT_SECONDS
            )
        return self._look_up(query, arrival, now)

    def _look_up(self, query: Query, arrival: Arrival, now: float) -> HttpResponse | Miss:
        route = arrival.route
        entry, freshness = route.cache.lookup(query.key, now, route.resolver.pressure(now))
        if entry is not None and freshness is Freshness.FRESH:
            entry.use()
            if now >= entry.refresh_at and entry.is_popular:
                self._refresh(query, entry, Purpose.PREFETCH, arrival, now)
            return self._give_fresh(entry, query, arrival, now)
        if entry is not None and freshness is Freshness.KEPT:
            self._refresh(query, entry, Purpose.REVALIDATION, arrival, now)
            return self._give_stale(entry, query, arrival)
        # Behind the cache, which has none of these names, so that hits do not pay for the look at the last label.
        denial = self._names.undelegated.answer(query) if route.is_general else None
        if denial is not None:
            return self._finish(query, denial.content, denial.reason, denial.ttl, arrival)
        return self._admit_miss(query, entry, arrival, now)

    def _admit_miss(self, query: Query, stale: Entry | None, arrival: Arrival, now: float) -> HttpResponse | Miss:
        """Only misses cost an upstream anything, so what follows is for misses alone."""
        failure = arrival.route.cache.recall_failure(query.key, now)
        if failure is not None:
            content = Content(failure.rcode, errors=(*failure.errors, ExtendedError.CACHED_ERROR))
            return self._stale_or(stale, query, arrival) or self._finish(
                query, content, Reason.FAILURE_REMEMBERED, 0, arrival
            )
        if arrival.service_wait:
            self._refresh(query, stale, Purpose.REVALIDATION, arrival, now)
            return self._stale_or(stale, query, arrival) or self._refuse(
                Reason.SERVICE_LIMIT, arrival.parsed, arrival.client, now, retry_after=arrival.service_wait
            )
        # The domain before the client: what is refused for its domain's sake costs the client no miss.
        if not self._admits_domain(query, arrival, now):
            return self._stale_or(stale, query, arrival) or self._fail(query, arrival, Reason.DOMAIN_LIMIT)
        if self._request_limiter.admit_miss(arrival.client, now):
            return self._stale_or(stale, query, arrival) or self._fail(query, arrival, Reason.MISS_LIMIT)
        # Last, because what is taken here has to be given back.
        slot = self._request_limiter.take_slot()
        if slot is None:
            return self._stale_or(stale, query, arrival) or self._refuse(
                Reason.SERVICE_LIMIT, arrival.parsed, arrival.client, now, retry_after=SLOT_RETRY_SECONDS
            )
        # It is kept for as long as the question takes, while the cache goes on.
        alone = None if stale is None else stale.on_its_own()
        return Miss(query, arrival, alone, slot, self._request_limiter.priority(arrival.client, now))

    def ask(self, miss: Miss, notify: Callable[[MissResult], None]) -> Stoppable | None:
        """Ask upstream; with something stale at hand, wait for it no longer than RFC 8767 says.

        `notify` is called with what is to be given to `conclude`, once, perhaps before this returns; not if what is
        returned is stopped first.
        """
        query, arrival = miss.query, miss.arrival
        # Between the two halves others have run, and somebody else's equal question may have been answered.
        entry, freshness = arrival.route.cache.lookup(query.key, self._clock(), 0.0)
        if entry is not None and freshness is Freshness.FRESH:
            notify(entry)
            return None
        patience = self._settings.stale_wait_seconds if miss.stale else None
        deadline = arrival.started + self._deadline_seconds
        return arrival.route.resolver.ask(query, notify, deadline=deadline, patience=patience, priority=miss.priority)

    def conclude(self, miss: Miss, found: MissResult) -> HttpResponse:
        """Answer with what was found. Raises what a bug raised on the way."""
        miss.slot.give_back()
        query, arrival = miss.query, miss.arrival
        if isinstance(found, Answer):
            return self._answer_from_upstream(found, query, arrival)
        if isinstance(found, Entry):
            return self._give_fresh(found, query, arrival, self._clock())
        if isinstance(found, Bug):
            raise found.error
        stale = self._stale_or(miss.stale, query, arrival)
        if stale is not None:
            return stale
        if found is None:  # Patience is only given where there is something stale.
            return self._fail(query, arrival, Reason.UPSTREAM_TIMEOUT)
        if found.reason is Reason.SERVICE_LIMIT:
            # The answer is on its way, only not to as many as want it: that is no failure to resolve the name.
            return self._refuse(
                found.reason, arrival.parsed, arrival.client, self._clock(), retry_after=SLOT_RETRY_SECONDS
            )
        return self._finish(query, _failure_content(found, query.qtype), found.reason, 0, arrival)

    def _refresh(self, query: Query, entry: Entry | None, purpose: Purpose, arrival: Arrival, now: float) -> None:
        """Have an answer that is given asked for again, with nobody waiting.

        It costs the upstream what a miss costs, so it is its client's miss: not where the client or the domain is over
        its limit or a failure forbids asking, and charged once it is under way.
        """
        route = arrival.route
        if entry is None or now < entry.refresh_at or route.cache.recall_failure(query.key, now) is not None:
            return
        client = arrival.client
        if self._request_limiter.may_miss(client, now) and self._admits_domain(query, arrival, now):
            asked = route.resolver.refresh(query, deadline=now + self._deadline_seconds, purpose=purpose)
            if asked:
                self._request_limiter.admit_miss(client, now)
            entry.put_off(now, asked=asked)

    def _admits_domain(self, query: Query, arrival: Arrival, now: float) -> bool:
        """Tell whether the limits on single domains let a question for an upstream through."""
        return not arrival.route.limits_domains or self._names.domains.admit(query.qname, arrival.client, now)

    def turn_away(self, reason: Reason, client: Client, frontend: Frontend, now: float) -> HttpResponse:
        """Refuse what never became a request: broken HTTP, or a header or body that does not end."""
        return self._refuse(reason, self._unread[frontend], client, now)

    # --- Ways out ---

    def _answer_from_upstream(self, answer: Answer, query: Query, arrival: Arrival) -> HttpResponse:
        """Give the answer as it is now in the cache, so that a first client and a second see the same TTLs."""
        entry = arrival.route.cache.peek(query.key)
        if entry is None:
            answer = arrival.route.cache.judged(query.key, answer)
            ttl = min(answer.ttl or 0, self._settings.maximum_ttl_seconds)
            return self._finish(query, content_of(answer), Reason.FORWARDED, ttl, arrival)
        return self._finish(query, content_of(entry), Reason.FORWARDED, entry.lifetime, arrival)

    def _give_fresh(self, entry: Entry, query: Query, arrival: Arrival, now: float) -> HttpResponse:
        max_age, content = entry.max_age(now), entry.content(now)
        answered = arrival.parsed.answered
        if answered is not None and answered.entry == entry and answered.envelope is not None:
            # The same as last time, but for its age.
            wire = answered.envelope.around(content.records)
            answered.response = response_to(Reply(wire, Reason.CACHED, max_age))
            answered.until = now + entry.seconds_unchanged(now)
            answered.count(self._clock() - arrival.started)
            return answered.response
        # Until its TTLs change, or it ends. A probe is counted by itself, so each one is looked at.
        until = 0.0 if self._names.probes.counts(query) else now + entry.seconds_unchanged(now)
        return self._finish(query, content, Reason.CACHED, max_age, arrival, repeat_until=until, repeat_from=entry)

    def _stale_or(self, stale: Entry | None, query: Query, arrival: Arrival) -> HttpResponse | None:
        """Give what is stale, or what was given to others for this name and type, if there is either."""
        if stale is not None:
            return self._give_stale(stale, query, arrival)
        now = self._clock()
        found = arrival.route.cache.find_instead(query.key, now)
        if found is None:
            return None
        entry, key, state = found
        ttl, is_fresh = self._settings.stale_answer_ttl_seconds, state is Freshness.FRESH
        if is_fresh:
            ttl = min(ttl, entry.max_age(now))
        content = content_instead(entry, key, query, ttl=ttl, is_fresh=is_fresh)
        return None if content is None else self._finish(query, content, Reason.STALE, ttl, arrival)

    def _give_stale(self, stale: Entry, query: Query, arrival: Arrival) -> HttpResponse:
        ttl = self._settings.stale_answer_ttl_seconds
        return self._finish(query, stale.stale_content(ttl), Reason.STALE, ttl, arrival)

    def _fail(self, query: Query, arrival: Arrival, reason: Reason, *, repeat_until: float = 0.0) -> HttpResponse:
        """Answer with the rcode and the EDE that the table has for `reason`."""
        ending = OUTCOMES[reason]
        content = Content(ending.rcode if ending.rcode is not None else Rcode.SERVFAIL, errors=ending.errors)
        return self._finish(query, content, reason, 0, arrival, repeat_until=repeat_until)

    def _answer_malformed(self, parsed: ParsedRequest, now: float) -> HttpResponse:
        """Say what is wrong with a message: the same for ever, as it depends on nothing but its bytes."""
        reason = Reason.BUG if parsed.fault is None else reason_of_fault(parsed.fault)
        rcode = OUTCOMES[reason].rcode
        if rcode is None:
            response = refusal(reason, cacheable=parsed.is_cacheable)
        else:
            response = response_to(Reply(write_reply_to_refused(parsed.wire, rcode), reason, 0))
        count = self._count(reason, parsed, rcode=rcode)
        parsed.keep(Answered(response, count, math.inf))
        count(self._clock() - now)
        return response

    def _finish(
        self,
        query: Query,
        content: Content,
        reason: Reason,
        max_age: int,
        arrival: Arrival,
        *,
        repeat_until: float = 0.0,
        repeat_from: Entry | None = None,
    ) -> HttpResponse:
        """The one exit for DNS replies: ID, question as sent, bits, OPT, padding, EDE, max-age.

        The same bytes may be told the same again before `repeat_until`, while the cache keeps `repeat_from`.
        """
        parsed = arrival.parsed
        content = under_asked_name(query, content)
        envelope = write_envelope(query, content)
        response = response_to(Reply(envelope.around(content.records), reason, max_age))
        count = self._count(reason, parsed, rcode=content.rcode)
        if repeat_until > arrival.started:
            parsed.keep(Answered(response, count, repeat_until, repeat_from, envelope))
        count(self._clock() - arrival.started)
        return response

    def _refuse(
        self, reason: Reason, parsed: ParsedRequest, client: Client, now: float, *, retry_after: float = 0.0
    ) -> HttpResponse:
        """The one exit for refusals in HTTP's own terms; they have an empty body."""
        seconds = math.ceil(retry_after)
        last = parsed.refusal
        if last is None or last.reason is not reason or last.retry_seconds != seconds:
            response = _refusal(parsed.frontend, reason, is_cacheable=parsed.is_cacheable, retry_seconds=seconds)
            is_charged = OUTCOMES[reason].counts
            last = parsed.refusal = RememberedRefusal(
                reason, seconds, response, self._count(reason, parsed), is_charged
            )
        if last.is_charged:
            self._request_limiter.charge_request(client, now)
        last.count(self._clock() - now)
        return last.response

    def _count(self, reason: Reason, parsed: ParsedRequest, *, rcode: int | None = None) -> Count:
        """Return what counts a request that ends so; it takes its duration in seconds."""
        return self._tally(
            Outcome(
                reason=reason,
                frontend=parsed.frontend,
                method=parsed.method,
                dialect=parsed.dialect,
                fault=parsed.fault,
                answered_rcode=rcode,
                shadow=parsed.shadow,
            )
        )


@lru_cache(maxsize=512)
def _refusal(_: Frontend, reason: Reason, *, is_cacheable: bool, retry_seconds: int) -> HttpResponse:
    """Return the same response each time, so that a frontend need not render it anew for everybody it turns away."""
    return refusal(reason, cacheable=is_cacheable, retry_after=retry_seconds)


def _failure_content(failure: UpstreamFailure, qtype: int) -> Content:
    """Return what clients and the failure memory are told of a question of this type."""
    if failure.answer is not None:
        rcode, errors = told_of(failure.answer, qtype)
        return Content(rcode, errors=errors)
    return Content(Rcode.SERVFAIL, errors=OUTCOMES[failure.reason].errors)


def _came_to_nothing(found: Answer | UpstreamFailure) -> bool:
    """Tell whether it is the name's or its servers' doing that there is nothing to show, and not the upstream's."""
    if isinstance(found, Answer):
        return found.kind is Kind.NXDOMAIN
    if found.answer is not None:
        return found.answer.rcode == Rcode.SERVFAIL
    return found.reason is Reason.UPSTREAM_TIMEOUT


def learn_into(
    cache: Cache, domains: DomainLimit | None, clock: Callable[[], float]
) -> Callable[[Query, Answer | UpstreamFailure], None]:
    """Return what keeps the result of each fetch, whoever still waits for it, and charges it to its domain, if domains
    have limits there.

    Nothing unjudged is stored: an Answer has been parsed and belongs to this very question.
    """

    def learn(query: Query, found: Answer | UpstreamFailure) -> None:
        now = clock()
        if isinstance(found, Answer):
            cache.store(query.key, found, now)
        elif found.reason is Reason.BUDGET_SPENT:
            # It says nothing about the question: nobody was asked, and the next second may have room.
            return
        else:
            content = _failure_content(found, query.qtype)
            grows = found.reason is not Reason.UPSTREAM_UNREACHABLE
            cache.remember_failure(query.key, content.rcode, content.errors, now, grows=grows)
        if domains is not None:
            domains.charge(query.qname, now, failed=_came_to_nothing(found))

    return learn
