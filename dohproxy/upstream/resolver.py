"""The upstreams as the walk sees them: one question in, an answer or a failure out.

All decisions are made elsewhere (`queue`, `attempts`, `selection`, `health`); here they are carried out.
"""

import asyncio
import random
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Final

from dohproxy.config import ResolverConfig, UpstreamConfig
from dohproxy.outcomes import Priority, Purpose, Reason
from dohproxy.saved import Interruption, Saved, UnfitState, read_dict
from dohproxy.upstream.attempts import Attempts, Send
from dohproxy.upstream.budget.groups import BudgetGroups
from dohproxy.upstream.elsewhere import Elsewhere, LateStart
from dohproxy.upstream.fetch import Fetch, Land
from dohproxy.upstream.flight import Flights, Waiter
from dohproxy.upstream.health.breaker import Breaker
from dohproxy.upstream.health.health import UpstreamHealth
from dohproxy.upstream.health.outages import is_path_gone
from dohproxy.upstream.health.signals import zone_of
from dohproxy.upstream.queue.fair_queue import MOST_WAITING
from dohproxy.upstream.queue.waiting import BudgetQueue
from dohproxy.upstream.results import Bug, SendStatus, Unproven, UpstreamFailure
from dohproxy.upstream.root_question import PROBE, PROBE_SECONDS, probe_ending
from dohproxy.upstream.selection import Selection
from dohproxy.upstream.sends import Done, Late, SendOutcome, Stoppable, Transport, outcome_of
from dohproxy.upstream.spoofing.echo_support import EchoSupport
from dohproxy.upstream.statistics import Foreseen, ResolverStatistics, UpstreamStatistics
from dohproxy.upstream.transports.stream import StreamTransport
from dohproxy.upstream.transports.tls import context_for
from dohproxy.upstream.transports.udp import UdpTransport
from dohproxy.upstream.upstreams import FIRST, ResolverResult, Upstreams
from dohproxy.upstream.workarounds.probing import try_additions
from dohproxy.upstream.workarounds.trial import Additions
from dohproxy.upstream.workarounds.workarounds import OVER_TCP, OVER_TLS, OVER_UDP, Workarounds
from dohproxy.wire.answer import Answer
from dohproxy.wire.query import Query

__all__ = ["Learn", "Resolver", "ResolverStatistics", "UpstreamFailure", "UpstreamStatistics"]

Learn = Callable[[Query, Answer | UpstreamFailure], None]

FINISHING_SECONDS: Final = 0.1
"""Between two looks at what is still under way when another resolver has taken over."""
UNAWAITED: Final = {Purpose.REVALIDATION: Priority(1_000, (), 0.25), Purpose.PREFETCH: Priority(1_001, (), 0.75)}
"""For what nobody waits for: behind every client, and with a part of each burst left to what comes before: clients
first, then whoever has got something stale, and names fetched ahead only where there is plenty. Old answers are given
unasked from half a burst down (`pressure`), so to renew them must be possible with less than that."""


class Resolver(Upstreams):
    """Asks the upstreams, equal questions once, within every budget.

    `learn` is called once for each fetch that ends, synchronously, before anybody who waits is told, and again if an
    answer comes when nobody waits any more. Probes and connections are tasks of `tasks`. `clock` must be the event
    loop's (`time.monotonic`), in which all deadlines are given. Every tls:// upstream may also prove itself by an
    authority in the PEM file `ca_file`; raises OSError if it is unreadable. Probes ask `question`, which each of the
    upstreams must be able to answer. `budgets` are shared with other resolvers that have upstreams of the same group.

    Before any budget is touched, those `elsewhere` are asked who may know the answer already.

    `before` is the one whose place this one takes: upstreams that stay keep their health and connections, and all that
    is known of them. What is under way there goes on; it must be told to `finish`.
    """

    def __init__(
        self,
        upstreams: Sequence[UpstreamConfig],
        settings: ResolverConfig,
        learn: Learn,
        tasks: asyncio.TaskGroup,
        clock: Callable[[], float],
        rng: random.Random,
        *,
        ca_file: Path | None = None,
        question: Query = PROBE,
        budgets: BudgetGroups | None = None,
        before: "Resolver | None" = None,
        elsewhere: Elsewhere | None = None,
    ) -> None:
        self._settings = settings
        self._elsewhere = elsewhere
        self._learn = learn
        self._tasks = tasks
        self._clock = clock
        budgets = budgets or BudgetGroups(clock(), rng.random)
        stay = {} if before is None else {one.way: one for one in before._upstreams}
        self._upstreams: list[_Upstream] = []
        for one in upstreams:
            kept = stay.pop(_way(one, question), None)
            if kept is None:
                kept = _Upstream(one, budgets, tasks, clock, ca_file, question)
            else:
                kept.adopt(one, budgets)
            self._upstreams.append(kept)
        healths = [upstream.health for upstream in self._upstreams]
        self._selection = Selection(healths, settings.choice, rng.random)
        self._queue = BudgetQueue(self._selection, clock, settings.budget_wait_seconds)
        self._flights: Flights[ResolverResult] = Flights(
            # A fetch holds a send in flight, waits for its turn, or is about to end.
            most_fetches=sum(budget.agreed.most_in_flight for budget in {one.budget for one in healths}) + MOST_WAITING,
            most_waiters=settings.waiters_per_query,
            when_stopped=UpstreamFailure(Reason.UPSTREAM_UNREACHABLE),
        )
        # Each holds a slot in flight, so there are no more of them than of these.
        self._late: dict[bytes, Fetch] = {}
        self._probes: set[asyncio.Task[None]] = set()
        self._is_closed = False
        for upstream in self._upstreams:
            upstream.health.when_in_doubt = partial(self._probe_soon, upstream)
        self._path_gone_since: float | None = None

    def ask(
        self,
        query: Query,
        notify: Callable[[ResolverResult | Bug], None],
        *,
        deadline: float,
        patience: float | None = None,
        priority: Priority = FIRST,
    ) -> Waiter[ResolverResult]:
        """Join the equal query in flight or start one. `notify` is called with what was found, once, perhaps before
        this returns; not if the waiter that is returned is given up first.

        It is told None if nothing came within `patience` seconds: the fetch goes on, and the caller has something stale
        to give; and if what others knew is in the cache by now, and to be given. Where too much is under way, it is
        BUDGET_SPENT without delay; where the budgets are spent, the question waits for its turn by `priority`, for a
        moment. Behind as many as may wait for one answer, who has nothing stale waits for a moment too; then, and where
        too many do that, it is SERVICE_LIMIT.
        """
        until = deadline if patience is None else min(deadline, self._clock() + patience)
        late: ResolverResult = None if until < deadline else UpstreamFailure(Reason.UPSTREAM_TIMEOUT)
        if query.key not in self._flights:
            waiter = Waiter(notify, until=until, late=late)
            if not self._start(query, deadline, priority, waiter):
                notify(UpstreamFailure(Reason.BUDGET_SPENT))
            return waiter
        self._queue.promote(query.key, priority)
        fetch = self._flights.fetch_of(query.key)
        if isinstance(fetch, LateStart):
            fetch.promote(priority)
        stands = patience is None and self._flights.is_full(query.key, priority.reserve)
        if stands:
            until = min(deadline, self._clock() + self._settings.budget_wait_seconds)
            late = UpstreamFailure(Reason.SERVICE_LIMIT)
        waiter = Waiter(notify, until=until, late=late)
        if not self._flights.join(query.key, waiter, stands=stands, reserve=priority.reserve):
            notify(UpstreamFailure(Reason.SERVICE_LIMIT))
        return waiter

    def refresh(self, query: Query, *, deadline: float, purpose: Purpose) -> bool:
        """Start a fetch nobody waits for, if the budgets have room for its `purpose` (REVALIDATION or PREFETCH) and
        none for an equal question is under way. Returns at once; cheap enough to be tried at a hit."""
        priority = UNAWAITED[purpose]
        return self._has_room(priority) and self._start(query, deadline, priority, None)

    def _has_room(self, priority: Priority) -> bool:
        """Tell whether something may be asked now that nobody waits for."""
        if not self._queue.is_empty:
            return False
        place = self._selection.next_upstream(self._clock(), priority.reserve)
        # What is overdue gives its slot to those who wait, not to this.
        return place is not None and not self._selection.healths[place].budget.is_full(priority.reserve)

    def foresee(self, query: Query) -> Foreseen:
        """Return who would be asked now if somebody asked, and start nothing."""
        now = self._clock()
        place = self._selection.next_upstream(now)
        if place is None:
            waits = self._selection.seconds_to_room(now)
            return Foreseen(query.key in self._flights, None, 0.0, waits)
        left = self._selection.healths[place].budget.left(now)
        return Foreseen(query.key in self._flights, self._upstreams[place].name, left, 0.0)

    def begin_slowly(self) -> None:
        """Let the budgets grow from a small part to the whole: the cache is empty, and all clients' names are new."""
        for upstream in self._upstreams:
            upstream.health.budget.begin_slowly(self._clock())

    def tick(self) -> None:
        """Look after the upstreams; to be called once a second. Starts the probes that are due."""
        now = self._clock()
        for upstream in self._upstreams:
            self._probe_if_due(upstream)
            upstream.stream.shed()
        is_gone = is_path_gone([(upstream.host, upstream.health) for upstream in self._upstreams])
        if not is_gone:
            self._path_gone_since = None
        elif self._path_gone_since is None:
            self._path_gone_since = now

    def pause(self, name: str) -> bool:
        """Leave the upstream of this name alone, probes included; False if there is none. What is under way with it is
        finished."""
        found = self._find(name)
        if found is not None and not found.health.is_paused:
            found.health.pause(self._clock())
        return found is not None

    def stay_paused(self, name: str, since: float) -> bool:
        """Leave the upstream of this name alone as it was before, under another configuration or in another process;
        False if there is none."""
        found = self._find(name)
        if found is not None:
            found.health.stay_paused(since)
        return found is not None

    def resume(self, name: str) -> bool:
        """Ask the upstream of this name again; False if there is none."""
        found = self._find(name)
        if found is not None and found.health.is_paused:
            found.health.resume(self._clock())
            self._queue.wake()
        return found is not None

    def healths(self) -> dict[str, UpstreamHealth]:
        """Return how the upstreams are, by what makes them the same ones elsewhere."""
        return {upstream.kept_as: upstream.health for upstream in self._upstreams}

    def wake(self) -> None:
        """There may be more budget than before."""
        self._queue.wake()

    def pressure(self, now: float) -> float:
        """Return how scarce sends are: 0.0 with half a burst left somewhere, 1.0 when nobody can be asked."""
        return self._selection.pressure(now)

    def statistics(self, now: float) -> ResolverStatistics:
        """Return a snapshot at `now`."""
        return ResolverStatistics(
            upstreams=tuple(upstream.statistics(now) for upstream in self._upstreams),
            turns=self._queue.statistics(now),
            path_gone_since=self._path_gone_since,
            fetches=len(self._flights),
            most_fetches=self._flights.most_fetches,
            waiters=self._flights.waiters,
            refused_waiters=self._flights.refused_waiters,
            refused_fetches=self._flights.refused_fetches,
        )

    def export(self, seal: Callable[[str], str], now: float) -> Saved:
        """Return what is known of the upstreams beside their budgets, by what `seal` makes of their ways."""
        return {seal(upstream.kept_as): upstream.export(now) for upstream in self._upstreams}

    def restore(self, saved: Saved, seal: Callable[[str], str], interruption: Interruption) -> int:
        """Let the upstreams go on with what another process has exported; return how many do.

        What is unfit is left out, and that upstream begins anew.
        """
        restored = 0
        for upstream in self._upstreams:
            one = saved.get(seal(upstream.kept_as))
            if isinstance(one, dict):
                try:
                    upstream.restore(one, interruption)
                    restored += 1
                except UnfitState:
                    continue
        return restored

    async def finish(self, successor: "Resolver") -> None:
        """Wait for what is under way, at most as long as late answers are listened for, and close the connections to
        those upstreams with which `successor` does not go on."""
        self._is_closed = True
        try:
            while len(self._flights) or self._late or self._probes:  # noqa: ASYNC110 - seconds, once a reload
                await asyncio.sleep(FINISHING_SECONDS)
        finally:
            self._flights.close()
            for fetch in tuple(self._late.values()):
                fetch.stop()
            for upstream in self._upstreams:
                if upstream not in successor._upstreams:
                    await upstream.stream.close()

    async def close(self) -> None:
        """End all fetches (their waiters get UPSTREAM_UNREACHABLE) and probes, and close all connections."""
        self._is_closed = True
        probes = tuple(self._probes)
        for probe in probes:
            probe.cancel()
        self._flights.close()
        for fetch in tuple(self._late.values()):
            fetch.stop()
        if probes:
            await asyncio.wait(probes)
        for upstream in self._upstreams:
            await upstream.stream.close()

    def _start(self, query: Query, deadline: float, priority: Priority, waiter: Waiter[ResolverResult] | None) -> bool:
        def begin(land: Callable[[ResolverResult | Bug], None]) -> Stoppable:
            if self._elsewhere is None:
                return self._begin_fetch(query, deadline, priority, land)

            def start(priority: Priority, *, is_awaited: bool) -> Stoppable | None:
                if is_awaited or self._has_room(priority):
                    return self._begin_fetch(query, deadline, priority, land)
                land(UpstreamFailure(Reason.BUDGET_SPENT))
                return None

            def hurry(seconds: float) -> None:
                self._flights.hurry(query.key, self._clock() + seconds, None)

            is_awaited = waiter is not None
            fetch = LateStart(query, self._elsewhere, priority, start, land, hurry, is_awaited=is_awaited)
            fetch.begin(self.pressure, deadline)
            return fetch

        return self._flights.start(query.key, begin, waiter, until=deadline)

    def _begin_fetch(self, query: Query, deadline: float, priority: Priority, land: Land) -> Fetch:
        late = self._late.get(query.key)
        if late is not None:
            # No question is listened for on more ports than it may be sent times.
            late.stop()
        attempts = Attempts(
            self._selection,
            zone=zone_of(query.qname),
            deadline=deadline,
            attempt_seconds=self._settings.attempt_seconds,
            most_sends=self._settings.max_sends,
            # What comes too late for who asked is kept for who asks again, which is soon.
            late_until=deadline + (deadline - self._clock()),
        )
        fetch = Fetch(query, attempts, self._queue, self._carry, self._learn, self._clock, land, self._late)
        fetch.begin(priority, deadline)
        return fetch

    def _carry(self, query: Query, send: Send, done: Done, notify: Callable[[], None]) -> Stoppable | SendStatus:
        return self._upstreams[send.upstream].send(query, send, done, Late(send.late_until, notify))

    def _find(self, name: str) -> "_Upstream | None":
        return next((one for one in self._upstreams if one.name == name), None)

    # --- Probes ---

    def _probe_soon(self, upstream: "_Upstream") -> None:
        """See to a probe now, but not in the middle of what somebody else does."""
        asyncio.get_running_loop().call_soon(self._probe_if_due, upstream)

    def _probe_if_due(self, upstream: "_Upstream") -> None:
        now = self._clock()
        if not self._is_closed and upstream.health.may_probe(now):
            self._begin_probe(upstream, now)

    def _begin_probe(self, upstream: "_Upstream", now: float) -> None:
        coroutine = self._probe(upstream, now)
        try:
            task = self._tasks.create_task(coroutine)
        except RuntimeError:
            # The group is shutting down and takes no tasks any more.
            coroutine.close()
            return
        upstream.health.begin_probe(now)
        self._probes.add(task)
        task.add_done_callback(self._probes.discard)

    async def _probe(self, upstream: "_Upstream", now: float) -> None:
        """Ask what every resolver knows; one that is silent to it over UDP, or seems to refuse, is asked over TCP too,
        to tell why, or whether it was the one who spoke."""
        health = upstream.health
        outcome: Answer | Unproven | SendStatus = SendStatus.ABANDONED
        try:
            outcome = await upstream.probe(now, over_stream=health.over_stream)
            if outcome is SendStatus.LOST and health.repeat_probe(self._clock()):
                again_at = self._clock()
                again = await upstream.probe(again_at, over_stream=health.over_stream)
                if again is not SendStatus.UNSENT:
                    now, outcome = again_at, again
            now, outcome = await try_additions(upstream, now, outcome, self._clock)
        finally:
            ending = probe_ending(outcome, over_stream=health.over_stream, sent_at=now, now=self._clock())
            health.end_probe(ending)
            self._queue.wake()
        leaves_a_doubt = outcome is SendStatus.TIMEOUT or isinstance(outcome, Unproven)
        if leaves_a_doubt and health.begin_stream_probe(self._clock()):
            now, outcome = self._clock(), SendStatus.ABANDONED
            try:
                outcome = await upstream.probe(now, over_stream=True)
            finally:
                last = probe_ending(outcome, over_stream=True, sent_at=now, now=self._clock())
                health.end_stream_probe(last, doubt=ending)
                self._queue.wake()


def may_vouch(config: UpstreamConfig) -> bool:
    """Tell whether AD from this upstream means anything (RFC 6840 section 5.8).

    The operator must trust it to validate, and nobody on the way to it may be able to set the bit.
    """
    return config.validates and not config.url.is_open_path


def _way(config: UpstreamConfig, question: Query) -> tuple[object, ...]:
    """Return what makes an upstream another one if it changes; all else it can be told."""
    trust = (config.validates, config.ca_file, config.pins)
    return (config.url, config.group, config.idle_seconds, config.leave_out, *trust, question.key)


class _Upstream:
    """One upstream: its health, and the ways to it."""

    def __init__(
        self,
        config: UpstreamConfig,
        budgets: BudgetGroups,
        tasks: asyncio.TaskGroup,
        clock: Callable[[], float],
        ca_file: Path | None,
        question: Query,
    ) -> None:
        """`question` is what its probes ask."""
        address = config.url
        budget, connections = budgets.of(config)
        self.host = address.host
        self.health = UpstreamHealth(budget, Breaker(budgets.draw), connections, over_stream=address.transport != "udp")
        over_stream = OVER_TLS if address.transport == "tls" else OVER_TCP
        self.over_udp = Workarounds(OVER_UDP, config.leave_out)
        self.over_stream = Workarounds(over_stream, config.leave_out, over_stream=True)
        self.health.may_be_ours = self._may_be_ours
        self.health.wants_trial = self._wants_trial
        self.udp = UdpTransport(address, self.over_udp)
        self.stream = StreamTransport(
            address,
            connections,
            idle_seconds=config.idle_seconds,
            context=context_for(config, ca_file) if address.transport == "tls" else None,
            tasks=tasks,
            clock=clock,
            workarounds=self.over_stream,
        )
        self.way = _way(config, question)
        self.kept_as = f"{config.url} {config.group} {question.qname.hex()} {question.qtype}"
        """What makes it the same upstream after a restart. Its certificate or what may be added is not part of it: what
        has been learnt of these is learnt anew."""
        self._question = question
        self._config = config
        self._may_vouch = may_vouch(config)

    @property
    def name(self) -> str:
        """As in the configuration."""
        return self._config.name

    def adopt(self, config: UpstreamConfig, budgets: BudgetGroups) -> None:
        """Take another name and another agreement; `way` must be the same."""
        self._config = config
        budgets.of(config)

    def send(self, query: Query, send: Send, done: Done, late: Late | None = None) -> Stoppable | SendStatus:
        """Carry out one send. AD is taken off an answer where it proves nothing."""
        if self.health.budget.has_lapsed_since(send.sent_at):
            # The process stood still between the two, and what it had may be another node's by now.
            return SendStatus.UNSENT
        additions = None
        if send.is_bare:
            additions = self.workarounds(over_stream=send.over_stream).proven(dnssec_ok=query.dnssec_ok)
        return self._send(query, send, done, additions, late)

    def workarounds(self, *, over_stream: bool) -> Workarounds:
        """Return what it can stand of what we add, on this way."""
        return self.over_stream if over_stream else self.over_udp

    def _send(
        self, query: Query, send: Send, done: Done, additions: Additions | None, late: Late | None = None
    ) -> Stoppable | SendStatus:
        transport: Transport = self.stream if send.over_stream else self.udp
        done = done if self._may_vouch else partial(_tell_without_ad, done)
        return transport.send(query, done, until=send.until, additions=additions, late=late)

    def _may_be_ours(self, outcome: Answer | Unproven | SendStatus, over_stream: bool, now: float) -> bool:
        return self.workarounds(over_stream=over_stream).may_be_ours(outcome, now)

    def _wants_trial(self, now: float) -> bool:
        return self.over_udp.wants_trial(now) or self.over_stream.wants_trial(now)

    def export(self, now: float) -> Saved:
        """Return what the next process goes on with."""
        return {"health": self.health.export(now)} | {name: one.export(now) for name, one in self._learnt().items()}

    def restore(self, saved: Saved, interruption: Interruption) -> None:
        """Go on with what another process has exported. Raises UnfitState."""
        self.health.restore(read_dict(saved, "health"), interruption)
        for name, one in self._learnt().items():
            one.restore(read_dict(saved, name), interruption)

    def _learnt(self) -> dict[str, Workarounds | EchoSupport]:
        return {
            "over_udp": self.over_udp,
            "over_stream": self.over_stream,
            "case": self.udp.defences.casing.echo_support,
            "cookies": self.udp.defences.cookies.echo_support,
        }

    async def probe(
        self, now: float, *, over_stream: bool, additions: Additions | None = None
    ) -> Answer | Unproven | SendStatus:
        """Ask the question that is nobody's. A bug costs the probe: raised, it would end every task of the group."""
        send = Send(0, over_stream, now + max(PROBE_SECONDS, self.health.round_trip.patience))
        try:
            return await outcome_of(lambda done: self._send(self._question, send, done, additions))
        except Exception as error:
            context = {"message": "a probe failed", "exception": error}
            asyncio.get_running_loop().call_exception_handler(context)
            return SendStatus.UNSENT

    def statistics(self, now: float) -> UpstreamStatistics:
        """Return a snapshot at `now`."""
        health = self.health
        budget = health.budget
        return UpstreamStatistics(
            name=self._config.name,
            sends=dict(health.sends),
            in_flight=budget.in_flight,
            most_in_flight=budget.most_in_flight,
            budget_left=budget.left(now),
            burst=budget.burst,
            queries_per_second=budget.queries_per_second * budget.aimd.share(now),
            budget_share=budget.aimd.share(now),
            halvings=budget.aimd.halvings,
            connections=self.stream.connections,
            most_connections=health.connections.most(now),
            breaker=health.breaker.state(now),
            finding=health.finding(now),
            probes=health.probes,
            score_seconds=health.round_trip.seconds(now),
            ignored_packets=self.udp.ignored_packets + self.stream.ignored_packets,
            defences=self.udp.defences.statistics(now),
            left_out=self.over_udp.left_out + self.over_stream.left_out,
            paused_since=health.paused_since,
        )


def _tell_without_ad(done: Done, outcome: SendOutcome) -> None:
    if isinstance(outcome, Answer) and outcome.authentic:
        outcome = outcome.unvouched()
    done(outcome)
