"""The ways out of the walk: every reply and every refusal is made here, counted here, and paid for here.

Replies leave through `_finish` alone, refusals through `_refuse` alone. Which of them a request takes is decided in
`pipeline.py`.
"""

import math
from collections.abc import Callable
from typing import Final

from dohproxy.cache import Entry, Freshness, RememberedFailure
from dohproxy.cache.substitutes import content_instead
from dohproxy.config import CacheConfig
from dohproxy.outcomes import OUTCOMES, Client, Outcome, Priority, Reason, Refused, Reply, reason_of_fault
from dohproxy.parsed_request import Answered, Count, ParsedRequest, RememberedRefusal
from dohproxy.policy.member_books import MemberBooks
from dohproxy.policy.names import NameRules
from dohproxy.policy.penalties import Offence, Penalties, Penalty
from dohproxy.policy.probes import under_asked_name
from dohproxy.policy.request_limiter import MissSlot, RequestLimiter
from dohproxy.routes import Route
from dohproxy.upstream.results import UpstreamFailure
from dohproxy.upstream.telling import content_of_failure
from dohproxy.value import value
from dohproxy.wire.answer import Answer
from dohproxy.wire.numbers import ExtendedError, Rcode
from dohproxy.wire.query import Query
from dohproxy.wire.reply import Content, content_of, write_envelope, write_reply_to_refused

HITS_PER_NOTE: Final = 16
"""Of so many hits one is noted for its network's seniority, which counts hours: who belongs here asks more than that in
one, and nobody's hits cost more for it."""


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
    is_let_pass: bool = False
    """A rule that is only tried would have answered it: so whatever comes of it costs its client no points."""


class Exits:
    """What the walk ends with, and the books of it."""

    def __init__(
        self,
        request_limiter: RequestLimiter,
        names: NameRules,
        settings: CacheConfig,
        tally: Callable[[Outcome], Count],
        clock: Callable[[], float],
        penalties: Penalties,
    ) -> None:
        self._request_limiter = request_limiter
        self._names = names
        self._settings = settings
        self._tally = tally
        self._clock = clock
        self.penalties = penalties
        self._unnoted = HITS_PER_NOTE
        self.members = MemberBooks()

    def _answer_from_upstream(self, answer: Answer, miss: Miss) -> Reply:
        """Give the answer as it is now in the cache, so that a first client and a second see the same TTLs."""
        query, arrival = miss.query, miss.arrival
        if answer.rcode == Rcode.NXDOMAIN:
            self._blame(miss, Offence.NXDOMAIN)
        elif answer.rcode == Rcode.NOERROR:
            self.penalties.pay(arrival.client, self._clock())
        entry = arrival.route.cache.peek(query.key)
        if entry is None:
            answer = arrival.route.cache.judged(query.key, answer)
            ttl = min(answer.ttl or 0, self._settings.maximum_ttl_seconds)
            return self._finish(query, content_of(answer), Reason.FORWARDED, ttl, arrival)
        return self._finish(query, content_of(entry), Reason.FORWARDED, entry.lifetime, arrival)

    def _give_remembered(self, failure: RememberedFailure, query: Query, arrival: Arrival) -> Reply:
        """Say what was said when the question failed, and that it is remembered (RFC 9520)."""
        content = Content(failure.rcode, errors=(*failure.errors, ExtendedError.CACHED_ERROR))
        return self._finish(query, content, Reason.FAILURE_REMEMBERED, 0, arrival)

    def _give_failure(self, failure: UpstreamFailure, miss: Miss) -> Reply:
        query, arrival = miss.query, miss.arrival
        if failure.answer is not None and failure.answer.rcode == Rcode.SERVFAIL:
            self._blame(miss, Offence.SERVFAIL)
        return self._finish(query, content_of_failure(failure, query.qtype), failure.reason, 0, arrival)

    def _give_fresh(self, entry: Entry, query: Query, arrival: Arrival, now: float) -> Reply:
        self._unnoted -= 1
        if not self._unnoted:
            self._unnoted = HITS_PER_NOTE
            self._request_limiter.note_answered(arrival.client, now)
        max_age, content = entry.max_age(now), entry.content(now)
        answered = arrival.parsed.answered
        if answered is not None and answered.entry == entry and answered.envelope is not None:
            # The same as last time, but for its age.
            wire = answered.envelope.around(content.records)
            reply = answered.said = Reply(wire, Reason.CACHED, max_age)
            answered.until = now + entry.seconds_unchanged(now)
            answered.count(self._clock() - arrival.started)
            return reply
        # Until its TTLs change, or it ends. A probe is counted by itself, so each one is looked at.
        until = 0.0 if self._names.probes.counts(query) else now + entry.seconds_unchanged(now)
        return self._finish(query, content, Reason.CACHED, max_age, arrival, repeat_until=until, repeat_from=entry)

    def _stale_or(self, stale: Entry | None, query: Query, arrival: Arrival) -> Reply | None:
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

    def _give_stale(self, stale: Entry, query: Query, arrival: Arrival) -> Reply:
        ttl = self._settings.stale_answer_ttl_seconds
        return self._finish(query, stale.stale_content(ttl), Reason.STALE, ttl, arrival)

    def _fail(self, query: Query, arrival: Arrival, reason: Reason, *, repeat_until: float = 0.0) -> Reply:
        """Answer with the rcode and the EDE that the table has for `reason`."""
        ending = OUTCOMES[reason]
        content = Content(ending.rcode if ending.rcode is not None else Rcode.SERVFAIL, errors=ending.errors)
        penalty = self.penalties.of_outcomes.get(reason)
        if penalty is not None:
            self._charge(arrival.client, penalty, self._clock())
        return self._finish(query, content, reason, 0, arrival, repeat_until=repeat_until, penalty=penalty)

    def _charge(self, client: Client, penalty: Penalty, now: float) -> None:
        """Count what a client is to blame for, and charge some of it."""
        penalty.left -= 1
        if not penalty.left:
            self.penalties.charge(client, penalty, now)

    def _blame(self, miss: Miss, offence: Offence) -> None:
        if not miss.is_let_pass:
            self.penalties.note(miss.arrival.client, offence, self._clock())

    def _answer_malformed(self, parsed: ParsedRequest, client: Client, now: float) -> Reply | Refused:
        """Say what is wrong with a message: the same for ever, as it depends on nothing but its bytes."""
        reason = Reason.BUG if parsed.fault is None else reason_of_fault(parsed.fault)
        ending = OUTCOMES[reason]
        said: Reply | Refused
        if ending.is_refusal or ending.rcode is None:
            said, count = Refused(reason), self._count(reason, parsed)
        else:
            said = Reply(write_reply_to_refused(parsed.wire, ending.rcode), reason, 0)
            count = self._count(reason, parsed, rcode=ending.rcode)
        penalty = self.penalties.of_outcomes.get(reason)
        parsed.keep(Answered(said, count, math.inf, penalty=penalty))
        if penalty is not None:
            self._charge(client, penalty, now)
        count(self._clock() - now)
        return said

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
        also: Callable[[], None] | None = None,
        penalty: Penalty | None = None,
    ) -> Reply:
        """The one exit for DNS replies: ID, question as sent, bits, OPT, padding, EDE, max-age.

        The same bytes may be told the same again before `repeat_until`, while the cache keeps `repeat_from`; each time
        `also` is called, and it costs the client `penalty`.
        """
        parsed = arrival.parsed
        content = under_asked_name(query, content)
        envelope = write_envelope(query, content)
        reply = Reply(envelope.around(content.records), reason, max_age)
        count = self._count(reason, parsed, rcode=content.rcode)
        if also is not None:
            count = _both(count, also)
        if repeat_until > arrival.started:
            parsed.keep(Answered(reply, count, repeat_until, repeat_from, envelope, penalty))
        seconds = self._clock() - arrival.started
        count(seconds)
        if arrival.client.member:
            self.members.note(reason, seconds)
        return reply

    def _refuse(
        self, reason: Reason, parsed: ParsedRequest, client: Client, now: float, *, retry_after: float = 0.0
    ) -> Refused:
        """The one exit for refusals, which each transport puts in its own terms."""
        seconds = math.ceil(retry_after)
        last = parsed.refusal
        if last is None or last.refused.reason is not reason or last.refused.retry_seconds != seconds:
            is_charged, penalty = OUTCOMES[reason].counts, self.penalties.of_outcomes.get(reason)
            last = RememberedRefusal(Refused(reason, seconds), self._count(reason, parsed), is_charged, penalty)
            parsed.refusal = last
        if last.is_charged:
            self._request_limiter.charge_request(client, now)
        penalty = last.penalty
        if penalty is not None:
            penalty.left -= 1  # As in `_charge`, which would be a call for each.
            if not penalty.left:
                self.penalties.charge(client, penalty, now)
        last.count(self._clock() - now)
        if client.member:
            self.members.note(reason, 0.0)
        return last.refused

    def _count(self, reason: Reason, parsed: ParsedRequest, *, rcode: int | None = None) -> Count:
        """Return what counts a request that ends so; it takes its duration in seconds."""
        return self._tally(
            Outcome(
                reason=reason,
                frontend=parsed.frontend,
                variant=parsed.variant,
                dialect=parsed.dialect,
                fault=parsed.fault,
                answered_rcode=rcode,
                shadow=parsed.shadow,
            )
        )


def _both(count: Count, also: Callable[[], None]) -> Count:
    """Return what counts a request in two books."""

    def counted(seconds: float) -> None:
        count(seconds)
        also()

    return counted
