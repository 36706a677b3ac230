"""One upstream, asked for a while by this project's own resolver, and what both sides saw."""

import asyncio
import random
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from bench.upstreams.servers import NAME, Server, State
from dohproxy.config import ResolverConfig, UpstreamConfig
from dohproxy.config.addresses import UpstreamAddress
from dohproxy.observability.left_out import all_words
from dohproxy.observability.upstream_alerts import alerts
from dohproxy.upstream.resolver import Resolver, UpstreamFailure
from dohproxy.upstream.results import SendStatus
from dohproxy.upstream.telling import told_of
from dohproxy.wire.answer import Answer
from dohproxy.wire.numbers import Qtype, Rcode
from tests.e2e.processes import LOOPBACK
from tests.fakes.asking import ask
from tests.fakes.upstream import make_query

QUESTIONS: Final = 100
PER_SECOND: Final = 10.0
AWAY_SECONDS: Final = (2.0, 4.0)
"""From when until when one that restarts is gone."""
DEADLINE_SECONDS: Final = 5.0
NOT_SENT: Final = frozenset({SendStatus.UNSENT, SendStatus.NO_ROUTE})


@dataclass(slots=True)
class Stay:
    """What came of it."""

    server: str
    state: State
    transport: str
    said: list[str] = field(default_factory=list)
    """What an operator was told, in the order in which it began; in brackets what wakes nobody."""
    got: Counter[str] = field(default_factory=Counter)
    """What clients got."""
    queries: int = 0
    sends: dict[SendStatus, int] = field(default_factory=dict)
    """By how they ended."""

    def row(self) -> tuple[str, ...]:
        """Return the row of the table."""
        got = ", ".join(f"{count} {what}" for what, count in sorted(self.got.items()))
        said = "; ".join(self.said) or "nothing"
        return self.server, str(self.state), self.transport, said, got, str(self.queries)


async def stay(
    kind: str, server: Server, state: State, transport: str, ca_file: Path, *, questions: int = QUESTIONS
) -> Stay:
    """Ask so many names that nobody has asked before, PER_SECOND, and look after the upstream as the service does."""
    port = server.tls_port if transport == "tls" else server.port
    address = UpstreamAddress(transport, LOOPBACK, port, NAME if transport == "tls" else None)  # type: ignore[arg-type]
    config = UpstreamConfig("ns0", address, preset="own", queries_per_second=100.0, burst=100, in_flight=100)
    seen = Stay(kind, state, transport)
    async with asyncio.TaskGroup() as tasks:
        rng = random.Random(1)  # noqa: S311  # jitter only
        resolver = Resolver([config], ResolverConfig(), lambda *_: None, tasks, time.monotonic, rng, ca_file=ca_file)
        watch = tasks.create_task(_watch(resolver, seen))
        restart = tasks.create_task(_restart(server)) if state is State.RESTARTING else None
        asked = []
        for number in range(questions):
            asked.append(tasks.create_task(_ask(resolver, f"name{number}.zone{number % 20}.example.", seen)))
            await asyncio.sleep(1 / PER_SECOND)
        await asyncio.wait(asked)
        if restart is not None:
            await restart
        watch.cancel()
        statistics = resolver.statistics(time.monotonic()).upstreams[0]
        # What never left this machine is no query, as where no connection came to be.
        seen.queries = sum(count for result, count in statistics.sends.items() if result not in NOT_SENT)
        seen.sends = {result: count for result, count in statistics.sends.items() if count}
        await resolver.close()
    return seen


async def _ask(resolver: Resolver, name: str, seen: Stay) -> None:
    found = await ask(resolver, make_query(name), deadline=time.monotonic() + DEADLINE_SECONDS)
    seen.got[what_a_client_gets(found)] += 1


def what_a_client_gets(found: Answer | UpstreamFailure | None) -> str:
    """Return it in a word: an answer, or an rcode."""
    if isinstance(found, Answer):
        return "answers"
    if found is not None and found.answer is not None:
        return Rcode(told_of(found.answer, Qtype.A)[0]).name
    return Rcode.SERVFAIL.name


async def _watch(resolver: Resolver, seen: Stay) -> None:
    """Tend the upstream once a second, and note what is told."""
    while True:
        resolver.tick()
        now = time.monotonic()
        statistics = resolver.statistics(now)
        told = [f"({one.signal})" if one.is_harmless else one.signal for one in alerts(statistics, now, time.time())]
        for words in (*told, *all_words(statistics)):
            if words not in seen.said:
                seen.said.append(str(words))
        await asyncio.sleep(1.0)


async def _restart(server: Server) -> None:
    await asyncio.sleep(AWAY_SECONDS[0])
    await asyncio.to_thread(server.stop)
    await asyncio.sleep(AWAY_SECONDS[1] - AWAY_SECONDS[0])
    await asyncio.to_thread(server.start_again)
