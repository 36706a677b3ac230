"""THE WALK: the only file that knows in which order a request is judged.

    bytes ─ frontend ─ turn_away_early() ── bans, client's limit: refused if over it already, unread
                  its protocol ── shape, dialect: a ParsedRequest
                  admit_page_view() ── for a page: bans, client's limit; no walk
                  begin() ─┬─ bans ─────────────── refused
                            ├─ refused by these ────── refused
                            ├─ client's limit ─────── refused
                            ├─ client's network ───── REFUSED, if it is listed
                            ├─ mode: members alone, no stubs of public lists ── refused
                            ├─ the very same request: what was said to it a moment ago
                            ├─ parse ──────────────── refused, FORMERR, NOTIMP
                            ├─ refused questions ──── REFUSED, BADVERS
                            ├─ route: whose cache, upstreams and line these are from here on
                            ├─ local answers ──────── the answer; about this service itself without RD too
                            ├─ blocklists ─────────── what the list says, above the cache so that it acts at once
                            ├─ cache ──────────────── the answer, or that a name above does not exist
                            │       ╰ popular and near its end, or given beyond it: refresh() upstream, unawaited;
                            │         not for strangers while a public list has us
                            ├─ undelegated names ──── NXDOMAIN
                            ├─ remembered failure ─── stale, or SERVFAIL
                            ├─ service's limit ────── stale (and refresh), or refused
                            ├─ domain's limit ─────── stale, or REFUSED
                            ├─ client's miss limit ── stale, or REFUSED
                            ├─ places for misses ──── stale, or refused
                            └─ Miss ─ ask() ─ upstream ─ conclude() ─ the answer, stale, or SERVFAIL

The walk knows no transport: it ends with a `Reply`, which is a DNS message, or with `Refused`, for which each transport
has a face in the table of outcomes. Everything up to a cache hit happens in `begin`, one synchronous call: a frontend
answers in the callback that read the bytes, and keeps the parsed requests of requests that come again. Only a `Miss`
waits: a frontend tells `ask` what to call then, and gives what was found to `conclude`. How replies and refusals are
made, counted and paid for, stands in `exits.py`.

What is remembered of requests never outlives a rule: a parsed request, with all that was said to it, has the
`rules_version` under which it was read, and who keeps some finds again only those of the version that holds.
"""

from collections.abc import Callable
from typing import Final

from dohproxy.cache import Entry, Freshness
from dohproxy.exits import HITS_PER_NOTE, Arrival, Exits, Miss
from dohproxy.outcomes import (
    OUTCOMES,
    Client,
    Frontend,
    Outcome,
    Purpose,
    Reason,
    Refused,
    Reply,
)
from dohproxy.parsed_request import REPEAT_SECONDS, Count, ParsedRequest
from dohproxy.policy.blocklists.lists import Blocklist, Withheld
from dohproxy.policy.blocklists.withheld import answer_withheld
from dohproxy.policy.mode import Trial
from dohproxy.policy.names import NameRules
from dohproxy.policy.penalties import Penalties
from dohproxy.policy.refusals import refuse
from dohproxy.policy.request_limiter import SLOT_RETRY_SECONDS, RequestLimiter
from dohproxy.policy.rule_switches import Rule, RuleSwitches
from dohproxy.policy.special_names import answer_any, answer_locally
from dohproxy.policy.standing import STRANGERS_LEAVE
from dohproxy.routes import Routes
from dohproxy.upstream.results import Bug, UpstreamFailure
from dohproxy.upstream.sends import Stoppable
from dohproxy.upstream.telling import came_to_nothing
from dohproxy.wire.answer import Answer
from dohproxy.wire.malformed import Malformed
from dohproxy.wire.numbers import Rcode
from dohproxy.wire.query import Query, parse_query
from dohproxy.wire.reply import Content

_GIVEN: Final = (Freshness.FRESH, Freshness.KEPT)
"""States in which an answer is given without waiting for another."""
_SLOT_LOST: Final = UpstreamFailure(Reason.SERVICE_LIMIT)
LONGEST_RETRY_SECONDS = 300.0
"""The most that a banned client is told to wait, behind a front proxy: a command may let it in again before."""

MissResult = Answer | UpstreamFailure | Entry | Bug | None
"""What became of a miss: an upstream's word, what somebody else's equal question had brought by then, or None where the
patience of one who has something stale has ended, or another node has told what the cache has by now."""


class Pipeline(Exits):
    """Walks each request through every stage."""

    def __init__(
        self,
        request_limiter: RequestLimiter,
        names: NameRules,
        routes: Routes,
        tally: Callable[[Outcome], Count],
        clock: Callable[[], float],
        deadline_seconds: float,
        penalties: Penalties,
        switches: RuleSwitches | None = None,
    ) -> None:
        """`switches`: how rules are held; without them all are enforced."""
        switches = RuleSwitches() if switches is None else switches
        self._stub_rule = switches[Rule.LIST_STUB]
        super().__init__(request_limiter, names, routes.general.cache.rules, tally, clock, penalties)
        self._bans = penalties.bans
        self._is_restricted = self._turns_stubs_away = False
        self.is_for_members = self.spares_strangers = False
        """How strangers are held; `restrict` says so."""
        self.trial: Trial | None = None
        """How strangers would be held, if that were not only tried."""
        self.rules_version = 0
        """Raised with each change of a rule, the frontends' own among them."""
        self.adopt(names, routes, deadline_seconds)

    def adopt(self, names: NameRules, routes: Routes, deadline_seconds: float) -> None:
        """Take other rules: every request that begins from here on meets them, on open connections too.

        A miss under way keeps the route on which it began. State is its owners': the limiter's, the caches', the
        resolvers'.
        """
        self._names = names
        self._routes = routes
        self._settings = routes.general.cache.rules
        self._deadline_seconds = deadline_seconds
        self.rules_changed()

    def restrict(
        self, *, members_only: bool, stubs_away: bool, spare_strangers: bool, trial: Trial | None = None
    ) -> None:
        """Hold strangers to this from the next request on, on open connections too: only members and exempt networks
        are served, no stubs of public lists are, strangers' answers are used for as long as ever and renewed for none
        of them. It is asked anew for every request, so nothing that is remembered has to go. Whom a `trial` would have
        met is counted."""
        self.trial = trial
        self._is_restricted = members_only or stubs_away or (trial is not None and trial.members_only)
        self._turns_stubs_away = stubs_away
        self.is_for_members, self.spares_strangers = members_only, spare_strangers

    def rules_changed(self) -> None:
        """Let nothing hold any more that was read or said under the rules so far.

        That is for rules which decide about what a request says. What is asked anew for every request, as limits are,
        needs none of it, and should do without: after it every request is read again once.
        """
        self.rules_version += 1
        self._unread = {frontend: ParsedRequest(frontend, self.rules_version) for frontend in Frontend}

    def turn_away_early(self, client: Client, frontend: Frontend, now: float) -> Refused | None:
        """Refuse a request of a client that is banned or over its limit already, before anything is read of it; None
        for all others, of whom `begin` asks. What has been read before costs nothing, and need not come here."""
        if self._bans.is_active:
            banned = self._turn_away_banned(self._unread[frontend], client, now)
            if banned is not None:
                return banned
        if not self._request_limiter.wait_for_request(client, now):
            return None
        wait = self._request_limiter.admit_request(client, now)
        return self._refuse(Reason.CLIENT_LIMIT, self._unread[frontend], client, now, retry_after=wait)

    def admit_page_view(self, client: Client, frontend: Frontend, now: float) -> Refused | None:
        """Let a client see a page unless it is banned or over its limit, within which that is a request like any other.
        No limit on what costs more is asked: the page says how the service is when nothing else goes."""
        refused = self.turn_away_early(client, frontend, now)
        if refused is None:
            self._request_limiter.charge_request(client, now)
        return refused

    def begin(  # noqa: C901 - every request comes here: a look at each stage, and a call only where it has a say
        self, parsed: ParsedRequest, client: Client, now: float
    ) -> Reply | Refused | Miss:
        """Walk as far as can be gone without waiting."""
        # Bans and the client's limit are kept for the connection's address, which nothing in the request can change.
        banned = self._turn_away_banned(parsed, client, now) if self._bans.is_active else None
        if banned is not None:
            return banned
        if parsed.refused is not None:
            return self._refuse(parsed.refused, parsed, client, now)
        wait = self._request_limiter.admit_request(client, now)
        if wait:
            return self._refuse(Reason.CLIENT_LIMIT, parsed, client, now, retry_after=wait)
        # Before what was said to others is said again: it is about who asks, and no part of what is remembered.
        if self._is_restricted or self._names.blocklists.has_networks:
            unwelcome = self._refuse_unwelcome(parsed, client, now)
            if unwelcome is not None:
                return unwelcome
        service_wait = self._request_limiter.admit_to_service(now, 0.0 if client.member else STRANGERS_LEAVE)
        answered = parsed.answered
        if answered is not None and answered.holds(now):
            answered.count(self._clock() - now)
            self._unnoted -= 1
            if not self._unnoted:
                self._note_answered(answered.said, client, now)
            if answered.penalty is not None:
                self._charge(client, answered.penalty, now)
            return answered.said
        return self._begin_anew(parsed, client, service_wait, now)

    def _begin_anew(
        self, parsed: ParsedRequest, client: Client, service_wait: float, now: float
    ) -> Reply | Refused | Miss:
        """Walk on with a request for which nothing is at hand to be said again."""
        answered = parsed.answered
        query = parsed.query or self._parse(parsed)
        if query is None:
            return self._answer_malformed(parsed, client, now)
        # From here on the query is trusted; nobody checks counts or lengths again.
        arrival = Arrival(parsed, client, now, self._routes.of(query), service_wait)
        if answered is not None and answered.entry is not None:
            # What was answered from the cache is nothing that these rules answer before it, nor any list withholds.
            return self._look_up(query, arrival, now)
        return self._answer_now(query, arrival, now)

    def _note_answered(self, said: Reply | Refused, client: Client, now: float) -> None:
        """Remember of one hit in so many that its client was answered."""
        self._unnoted = HITS_PER_NOTE
        if isinstance(said, Reply):
            self._request_limiter.note_answered(client, now)

    def _refuse_unwelcome(self, parsed: ParsedRequest, client: Client, now: float) -> Reply | Refused | None:
        """Refuse clients of a listed network, and whom `restrict` does not let through. Members and exempt clients are
        neither: who has named them knows them better than a list that names their network."""
        if client.member or client.exempt:
            return None
        lists = self._names.blocklists
        if lists.has_networks:
            if lists.has_shadows and (shadow := lists.shadow_of(client)) is not None:
                shadow.switch.count_shadow()
            refusing = lists.refuses(client)
            if refusing is not None:
                return self._prohibit(refusing, parsed, client, now)
        if self.is_for_members:
            return self._refuse(Reason.MEMBERS_ONLY, parsed, client, now)
        if self.trial is not None and self.trial.members_only:
            self.trial.rule.count_shadow()
        if self._turns_stubs_away and parsed.is_list_stub and self._stub_rule.acts():
            return self._refuse(Reason.LIST_STUB, parsed, client, now)
        return None

    def _parse(self, parsed: ParsedRequest) -> Query | None:
        try:
            parsed.query = parse_query(parsed.wire, parsed.keepalive)
        except Malformed as malformed:
            parsed.fault = malformed.fault
        else:
            parsed.wire = b""  # All that matters of it is in the query, and parsed requests are kept.
        return parsed.query

    def _answer_now(self, query: Query, arrival: Arrival, now: float) -> Reply | Refused | Miss:
        reason = refuse(query)
        local = self._names.discovery.answer(query, reason)
        if local is None:
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
        if self._names.blocklists.is_active:
            withheld = self._names.blocklists.find(query.qname)
            if self._names.blocklists.has_shadows:
                self._try_lists(query, withheld, arrival)
            if withheld is not None:
                return self._withhold(withheld, query, arrival, now)
        undelegated = self._names.undelegated
        if undelegated.switch.is_in_shadow and arrival.route.is_general and undelegated.foresee(query) is not None:
            # Before the cache, which has such names as long as nothing denies them here.
            undelegated.switch.count_shadow()
            arrival.parsed.is_in_shadow = True
        return self._look_up(query, arrival, now)

    def _try_lists(self, query: Query, withheld: Withheld | None, arrival: Arrival) -> None:
        """Count what a list that is only tried would have made of this name, unless it has been counted of the
        client."""
        shadow = self._names.blocklists.find_shadow(query.qname, withheld)
        if shadow is not None:
            arrival.parsed.is_in_shadow = True
            if shadow is not self._names.blocklists.shadow_of(arrival.client):
                shadow.switch.count_shadow()

    def _withhold(self, withheld: Withheld, query: Query, arrival: Arrival, now: float) -> Reply:
        said = answer_withheld(query, withheld.ruling, withheld.position)
        until, penalty = now + REPEAT_SECONDS, self.penalties.of_outcomes.get(said.reason)
        if penalty is not None:
            self._charge(arrival.client, penalty, now)
        return self._finish(
            *(query, said.content, said.reason, said.ttl, arrival),
            repeat_until=until,
            also=withheld.count,
            penalty=penalty,
        )

    def _prohibit(self, refusing: Blocklist, parsed: ParsedRequest, client: Client, now: float) -> Reply | Refused:
        """Refuse a client of a network that is listed; as others may send the same bytes, nothing is remembered."""
        query = parsed.query or self._parse(parsed)
        if query is None:
            return self._answer_malformed(parsed, client, now)
        refusing.hits += 1
        ending = OUTCOMES[Reason.PROHIBITED]
        content = Content(Rcode.REFUSED, errors=ending.errors, error_text=refusing.ruling.text)
        arrival = Arrival(parsed, client, now, self._routes.general)
        return self._finish(query, content, Reason.PROHIBITED, 0, arrival)

    def _look_up(self, query: Query, arrival: Arrival, now: float) -> Reply | Refused | Miss:
        route = arrival.route
        pressure = 1.0 if self.spares_strangers and self._spares(arrival.client) else route.upstreams.pressure(now)
        entry, freshness = route.cache.lookup(query.key, now, pressure)
        if entry is not None and freshness is Freshness.FRESH:
            entry.use()
            if now >= entry.refresh_at and entry.is_popular:
                self._refresh(query, entry, Purpose.PREFETCH, arrival, now)
            return self._give_fresh(entry, query, arrival, now)
        if entry is not None and freshness is Freshness.KEPT:
            self._refresh(query, entry, Purpose.REVALIDATION, arrival, now)
            return self._give_stale(entry, query, arrival)
        if self.trial is not None and route.cache.foresee(query.key, now, 1.0)[1] in _GIVEN:
            self._note_unspared(arrival.client)
        # Behind the cache, which has none of these names, so that hits do not pay for the look at the last label.
        denial = self._names.undelegated.answer(query) if route.is_general else None
        if denial is not None:
            return self._finish(query, denial.content, denial.reason, denial.ttl, arrival)
        return self._admit_miss(query, entry, arrival, now)

    def _admit_miss(self, query: Query, stale: Entry | None, arrival: Arrival, now: float) -> Reply | Refused | Miss:
        """Only misses cost an upstream anything, so what follows is for misses alone."""
        failed = arrival.route.cache.recall_failure(query.key, now)
        if failed is not None:
            return self._stale_or(stale, query, arrival) or self._give_remembered(failed, query, arrival)
        wait = arrival.service_wait
        if wait:
            wait = self._request_limiter.judge_service(arrival.client, now, wait)
        if wait:
            self._refresh(query, stale, Purpose.REVALIDATION, arrival, now)
            return self._stale_or(stale, query, arrival) or self._refuse(
                Reason.SERVICE_LIMIT, arrival.parsed, arrival.client, now, retry_after=wait
            )
        # The domain before the client: what is refused for its domain's sake costs the client no miss.
        if not self._admits_domain(query, arrival, now):
            return self._stale_or(stale, query, arrival) or self._fail(query, arrival, Reason.DOMAIN_LIMIT)
        if self._request_limiter.admit_miss(arrival.client, now):
            return self._stale_or(stale, query, arrival) or self._fail(query, arrival, Reason.MISS_LIMIT)
        # Last, because what is taken here has to be given back.
        slot = self._request_limiter.take_slot(arrival.client, now)
        if slot is None:
            return self._stale_or(stale, query, arrival) or self._refuse(
                Reason.SERVICE_LIMIT, arrival.parsed, arrival.client, now, retry_after=SLOT_RETRY_SECONDS
            )
        # It is kept for as long as the question takes, while the cache goes on.
        alone = None if stale is None else stale.on_its_own()
        let_pass = arrival.parsed.is_in_shadow or (
            arrival.route.limits_domains and self._names.domains.is_let_pass(query.qname)
        )
        return Miss(query, arrival, alone, slot, self._request_limiter.priority(arrival.client, now), let_pass)

    def ask(self, miss: Miss, notify: Callable[[MissResult], None]) -> Stoppable | None:
        """Ask upstream; with something stale at hand, wait for it no longer than RFC 8767 says.

        `notify` is called with what is to be given to `conclude`, once, perhaps before this returns; not if what is
        returned is stopped first.
        """
        query, arrival, slot = miss.query, miss.arrival, miss.slot
        if slot.is_lost:
            notify(_SLOT_LOST)
            return None
        # Between the two halves others have run, and somebody else's equal question may have been answered.
        entry, freshness = arrival.route.cache.lookup(query.key, self._clock(), 0.0)
        if entry is not None and freshness is Freshness.FRESH:
            notify(entry)
            return None
        patience = self._settings.stale_wait_seconds if miss.stale else None
        deadline = arrival.started + self._deadline_seconds
        upstreams = arrival.route.upstreams
        asked = upstreams.ask(query, notify, deadline=deadline, patience=patience, priority=miss.priority)

        def lose() -> None:
            asked.stop()
            notify(_SLOT_LOST)

        slot.when_lost = lose
        return asked

    def conclude(self, miss: Miss, found: MissResult) -> Reply | Refused:
        """Answer with what was found. Raises what a bug raised on the way."""
        miss.slot.give_back()
        query, arrival = miss.query, miss.arrival
        found, stale = self._beside_what_is_held(found, miss)
        self._note_end(query, arrival, found)
        if isinstance(found, Answer):
            return self._answer_from_upstream(found, miss)
        if isinstance(found, Entry):
            return self._give_fresh(found, query, arrival, self._clock())
        if isinstance(found, Bug):
            raise found.error
        return self._stale_or(stale, query, arrival) or self._give_nothing(found, miss)

    def _beside_what_is_held(self, found: MissResult, miss: Miss) -> tuple[MissResult, Entry | None]:
        """Return what was found, or a fresh answer that the cache has had from another node since, and what there is to
        fall back on by now."""
        if found is not None and not isinstance(found, UpstreamFailure):
            return found, None
        held, freshness = miss.arrival.route.cache.lookup(miss.query.key, self._clock(), 0.0)
        if freshness is Freshness.FRESH:
            return held, None
        return found, held or miss.stale

    def _give_nothing(self, found: UpstreamFailure | None, miss: Miss) -> Reply | Refused:
        """Say why there is no answer, not even an old one."""
        query, arrival = miss.query, miss.arrival
        if found is None:
            failed = arrival.route.cache.recall_failure(query.key, self._clock())
            if failed is not None:
                return self._give_remembered(failed, query, arrival)
            return self._fail(query, arrival, Reason.UPSTREAM_TIMEOUT)
        if found.reason is Reason.SERVICE_LIMIT:
            # The answer is on its way, only not to as many as want it: that is no failure to resolve the name.
            return self._refuse(
                found.reason, arrival.parsed, arrival.client, self._clock(), retry_after=SLOT_RETRY_SECONDS
            )
        return self._give_failure(found, miss)

    def _note_end(self, query: Query, arrival: Arrival, found: MissResult) -> None:
        """Let it be known who was answered, and whose question came to nothing."""
        if isinstance(found, (Answer, Entry)):
            self._request_limiter.note_answered(arrival.client, self._clock())
        if isinstance(found, (Answer, UpstreamFailure)) and arrival.route.limits_domains and came_to_nothing(found):
            self._names.domains.blame(query.qname, arrival.client, self._clock())

    def _refresh(self, query: Query, entry: Entry | None, purpose: Purpose, arrival: Arrival, now: float) -> None:
        """Have an answer that is given asked for again, with nobody waiting.

        It costs the upstream what a miss costs, so it is its client's miss: not where the client or the domain is over
        its limit or a failure forbids asking, and charged once it is under way.
        """
        if self.spares_strangers and self._spares(arrival.client):
            return
        route = arrival.route
        if entry is None or now < entry.refresh_at or route.cache.recall_failure(query.key, now) is not None:
            return
        client = arrival.client
        if self._request_limiter.may_miss(client, now) and self._admits_domain(query, arrival, now):
            asked = route.upstreams.refresh(query, deadline=now + self._deadline_seconds, purpose=purpose)
            if asked:
                self._request_limiter.admit_miss(client, now)
                self._note_unspared(client)
            entry.put_off(now, asked=asked)

    def _note_unspared(self, client: Client) -> None:
        """Count a question of a stranger that the upstreams would have been spared, if that were not only tried."""
        trial = self.trial
        if trial is not None and trial.spares_strangers and not trial.members_only and self._spares(client):
            trial.rule.count_shadow()

    def _spares(self, client: Client) -> bool:
        """Tell whether strangers' questions that the upstreams are to be spared are this client's."""
        return not (client.member or client.exempt)

    def _admits_domain(self, query: Query, arrival: Arrival, now: float) -> bool:
        """Tell whether the limits on single domains let a question for an upstream through."""
        return not arrival.route.limits_domains or self._names.domains.admit(query.qname, arrival.client, now)

    def turn_away(self, reason: Reason, client: Client, frontend: Frontend, now: float) -> Refused:
        """Refuse what never became a request: broken HTTP, or a header or body that does not end."""
        return self._refuse(reason, self._unread[frontend], client, now)

    def _turn_away_banned(self, parsed: ParsedRequest, client: Client, now: float) -> Refused | None:
        """Refuse a request of a banned client. Only behind a front proxy there are many: else the connection goes."""
        ban = self._bans.judge(client, now)
        if ban is None:
            return None
        return self._refuse(Reason.BANNED, parsed, client, now, retry_after=min(ban.until - now, LONGEST_RETRY_SECONDS))
