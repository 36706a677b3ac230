"""Whatever an upstream does, and whatever is asked: no storm of probes, and never more than the budget."""

from itertools import cycle, product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dohproxy.upstream.budget.connections import ConnectionBudget
from dohproxy.upstream.budget.queries import Budget
from dohproxy.upstream.health.breaker import Breaker
from dohproxy.upstream.health.health import MOST_PROBES, MOST_PROBES_SECONDS, UpstreamHealth
from dohproxy.upstream.health.signals import SendResult
from dohproxy.upstream.results import SendStatus, Unproven
from tests.fakes.guest import GOOD, NOTIMP, PROHIBITED, REFUSED, SERVFAIL, UNPROVEN, Outcome, described, ending_of

OUTCOMES: tuple[Outcome, ...] = (
    *(GOOD, SERVFAIL, REFUSED, PROHIBITED, NOTIMP, UNPROVEN),
    *(result for result in SendStatus if result not in (SendStatus.ANSWERED, SendStatus.FAILED, SendStatus.ABANDONED)),
)
CONNECTION_FAILED = (SendStatus.UNREACHABLE, SendStatus.NO_ROUTE)
PROBE_SECONDS = 1.5
"""What a probe waits for at most."""


class Simulation:
    """One upstream that is looked after once a second; clients and probes meet what the two scripts say."""

    def __init__(
        self,
        clients: list[Outcome],
        probes: list[Outcome],
        *,
        over_stream: bool,
        queries_per_second: float = 20.0,
        burst: int = 40,
        drawn: float = 0.0,
    ) -> None:
        self.budget = Budget(queries_per_second, burst, 1_000, now=0.0)
        connections = ConnectionBudget(2, 1.0, lambda: drawn, now=0.0)
        self.upstream = UpstreamHealth(self.budget, Breaker(lambda: drawn), connections, over_stream=over_stream)
        self.clients, self.probes = cycle(clients), cycle(probes)
        self.now = 0.0
        self.sent: list[float] = []
        self.probed: list[float] = []
        self._number = 0
        self._probe: tuple[float, Outcome] | None = None

    def run(self, seconds: int, *, questions: int) -> None:
        """Let so many seconds pass, with so many questions in each."""
        for _ in range(seconds):
            self.now += 1.0
            self._end_probe()
            for _ in range(questions):
                self._ask()
            self._begin_probe()

    def _ask(self) -> None:
        over_stream = self.upstream.over_stream
        if not self.upstream.begin(self.now, over_stream=over_stream):
            return
        self.sent.append(self.now)
        outcome = next(self.clients)
        self._number += 1
        self.upstream.end(self._ending(outcome, self.now, over_stream=over_stream))

    def _begin_probe(self) -> None:
        if self.upstream.may_probe(self.now):
            self.upstream.begin_probe(self.now)
            self.probed.append(self.now)
            self._probe = self.now, next(self.probes)

    def _end_probe(self) -> None:
        """End the probe that was begun, and ask over TCP where UDP was silent."""
        if self._probe is None:
            return
        sent_at, outcome = self._probe
        if outcome is SendStatus.TIMEOUT and self.now < sent_at + PROBE_SECONDS:
            return
        self._probe = None
        ending = self._ending(outcome, sent_at, over_stream=self.upstream.over_stream)
        self.upstream.end_probe(ending)
        is_doubtful = outcome is SendStatus.TIMEOUT or isinstance(outcome, Unproven)
        if is_doubtful and self.upstream.begin_stream_probe(self.now):
            self.probed.append(self.now)
            self.upstream.end_stream_probe(self._ending(next(self.probes), self.now, over_stream=True), doubt=ending)

    def _ending(self, outcome: Outcome, sent_at: float, *, over_stream: bool) -> SendResult:
        """How it ended; as the transport does, tell the connections' budget too."""
        if over_stream and outcome in CONNECTION_FAILED:
            self.upstream.connections.failed(self.now, nobody_listens=True)
        elif over_stream and not isinstance(outcome, SendStatus):
            self.upstream.connections.answered()
        return ending_of(outcome, b"zone%d" % (self._number % 12), sent_at, self.now, over_stream=over_stream)

    def assert_few_probes(self) -> None:
        for first, since in enumerate(self.probed):
            last = first + MOST_PROBES
            assert last >= len(self.probed) or self.probed[last] - since >= MOST_PROBES_SECONDS, self.probed

    def assert_within_budget(self) -> None:
        sent = sorted([*self.sent, *self.probed])
        rate, burst = self.budget.queries_per_second, self.budget.burst
        for first, since in enumerate(sent):
            for last in range(first, len(sent)):
                assert last - first + 1 <= burst + rate * (sent[last] - since) + 1e-6


@pytest.mark.parametrize("over_stream", [False, True], ids=["UDP", "TLS"])
@pytest.mark.parametrize("answered", OUTCOMES, ids=described)
def test_no_upstream_sees_a_storm_of_probes(answered: Outcome, *, over_stream: bool) -> None:
    for asked in OUTCOMES:
        simulation = Simulation([asked], [answered], over_stream=over_stream)
        simulation.run(130, questions=12)
        simulation.assert_few_probes()


@pytest.mark.parametrize("over_stream", [False, True], ids=["UDP", "TLS"])
def test_nor_one_that_changes_its_mind_with_every_probe(*, over_stream: bool) -> None:
    for answered in product(OUTCOMES, repeat=2):
        simulation = Simulation([SendStatus.UNREACHABLE, SendStatus.TIMEOUT], list(answered), over_stream=over_stream)
        simulation.run(70, questions=9)
        simulation.assert_few_probes()


SCRIPT = st.lists(st.sampled_from(OUTCOMES), min_size=1, max_size=12)


@settings(deadline=None, max_examples=60)
@given(SCRIPT, SCRIPT, st.booleans(), st.integers(0, 20), st.floats(0, 0.999))
def test_no_behaviour_draws_more_than_ten_probes_in_a_minute(
    clients: list[Outcome], probes: list[Outcome], over_stream: bool, questions: int, drawn: float
) -> None:
    simulation = Simulation(clients, probes, over_stream=over_stream, drawn=drawn)
    simulation.run(150, questions=questions)
    simulation.assert_few_probes()


@settings(deadline=None, max_examples=60)
@given(SCRIPT, SCRIPT, st.booleans(), st.floats(0.5, 5.0), st.integers(1, 12))
def test_clients_and_probes_together_never_get_more_than_the_budget(
    clients: list[Outcome], probes: list[Outcome], over_stream: bool, rate: float, burst: int
) -> None:
    simulation = Simulation(clients, probes, over_stream=over_stream, queries_per_second=rate, burst=burst)
    simulation.run(40, questions=8)
    simulation.assert_within_budget()
    assert simulation.budget.in_flight <= 1


@pytest.mark.parametrize("over_stream", [False, True], ids=["UDP", "TLS"])
def test_silent_names_alone_never_cost_an_upstream_that_is_well_a_share_of_its_budget(*, over_stream: bool) -> None:
    simulation = Simulation([SendStatus.TIMEOUT], [GOOD], over_stream=over_stream)
    for _ in range(600):
        simulation.run(1, questions=10)
        assert simulation.upstream.breaker.is_closed
        assert simulation.budget.aimd.share(simulation.now) == 1.0
    simulation.assert_few_probes()
    assert simulation.budget.aimd.halvings == 0


def test_an_upstream_that_answers_nothing_but_probes_is_not_probed_every_second() -> None:
    simulation = Simulation([SendStatus.UNREACHABLE], [GOOD], over_stream=False)
    simulation.run(240, questions=12)
    simulation.assert_few_probes()
    assert MOST_PROBES < len(simulation.probed) <= 4 * MOST_PROBES
