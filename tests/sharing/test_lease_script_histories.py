"""Whatever happens, in whatever order: the upstream never gets more than was agreed.

The script runs in a real store; nodes, network and clocks are simulated. A mutant of script or node that leaves out one
of the rules of docs/nodes.md must be found by the same search.
"""

import os
from collections.abc import Callable, Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.conftest import FindProgram
from tests.fakes.cluster import NETWORKS, Cluster, Ledger, Wire
from tests.fakes.store import store_process

EXAMPLES = int(os.environ.get("LEASE_EXAMPLES", "40"))
"""How many histories `make test` tries. LEASE_EXAMPLES=5000 is for who has changed a rule; it takes half an hour."""
NAMES = ("a", "b", "c")
Plan = list[tuple[str, int, float]]
"""What happens: an act, whom it concerns, and a number from 0.0 to 1.0 for what more is to be chosen."""


@pytest.fixture(scope="module")
def wire(find_program: FindProgram, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Wire]:
    """A client of a store of this module."""
    with store_process(find_program("redis-server", "redis-server"), tmp_path_factory.mktemp("store")) as process:
        wire = Wire(process.path)
        yield wire
        wire.close()


def perform(cluster: Cluster, plan: Plan) -> None:
    """Let everything in `plan` happen, and then some time pass."""
    for number, name in enumerate(NAMES):
        cluster.begin(name, drift=(number - 1) * 1e-3)
    cluster.advance(8.0)
    for act, whom, choice in plan:
        ACTS[act](cluster, NAMES[whom], choice)
    cluster.let_go()
    cluster.advance(3.0)


def _roll_back(cluster: Cluster, server: int) -> None:
    """A machine is set back to how it was some time ago, which takes longer than a lease lasts."""
    before = [(node, node.network) for node in cluster.nodes.values() if node.server == server]
    for node, _ in before:
        node.network = NETWORKS["cut off"]
    cluster.advance(4.0)
    cluster.ledger.copy(server, server)
    for node, network in before:
        node.network = network


def _move(cluster: Cluster, name: str) -> None:
    """The network has split, and this node sees another server: a copy of the first one's, the first time."""
    node = cluster.nodes[name]
    other = 1 - node.server
    if not any(one.server == other for one in cluster.nodes.values()):
        cluster.ledger.save(node.server)
        cluster.ledger.copy(node.server, other)
    node.server = other


def _set_network(cluster: Cluster, name: str, choice: float) -> None:
    cluster.nodes[name].network = list(NETWORKS.values())[int(choice * len(NETWORKS))]


def _want(cluster: Cluster, name: str, choice: float) -> None:
    cluster.nodes[name].wants = (0.0, 2.0, 1000.0)[int(choice * 3)]


def _begin(cluster: Cluster, name: str, *, succeeds: bool) -> None:
    cluster.begin(name, drift=cluster.nodes[name].drift - 1, succeeds=succeeds)


def _pause(cluster: Cluster, name: str, *, is_paused: bool) -> None:
    cluster.nodes[name].is_paused = is_paused


def _set_clock(cluster: Cluster, choice: float) -> None:
    cluster.ledger.clock_error += (choice - 0.5) * 200_000


ACTS: dict[str, Callable[[Cluster, str, float], None]] = {
    "advance": lambda cluster, _, choice: cluster.advance(choice * choice * 10),
    "wants": _want,
    "network": _set_network,
    "crash": lambda cluster, name, _: cluster.crash(name),
    "begin": lambda cluster, name, _: _begin(cluster, name, succeeds=False),
    "succeed": lambda cluster, name, _: _begin(cluster, name, succeeds=True),
    "pause": lambda cluster, name, _: _pause(cluster, name, is_paused=True),
    "resume": lambda cluster, name, _: _pause(cluster, name, is_paused=False),
    "let go": lambda cluster, _, __: cluster.let_go(),
    "leave": lambda cluster, name, _: cluster.leave(name),
    "flush": lambda cluster, name, _: cluster.ledger.flush(cluster.nodes[name].server),
    "save": lambda cluster, name, _: cluster.ledger.save(cluster.nodes[name].server),
    "fail over": lambda cluster, name, _: cluster.ledger.fail_over(cluster.nodes[name].server),
    "roll back": lambda cluster, name, _: _roll_back(cluster, cluster.nodes[name].server),
    "move": lambda cluster, name, _: _move(cluster, name),
    "clock": lambda cluster, _, choice: _set_clock(cluster, choice),
    "forget": lambda cluster, name, _: cluster.forget(name),
}
KINDS = sorted(set(ACTS) - {"advance", "wants"})
"""What may happen beside that time passes and that a node wants another number of queries."""

plans = st.lists(st.sampled_from(KINDS), min_size=1, max_size=3, unique=True).flatmap(
    # Few kinds of trouble in one history meet more often than many.
    lambda kinds: st.lists(
        st.tuples(
            st.sampled_from(("advance", "advance", "wants", "wants", *kinds)), st.integers(0, 2), st.floats(0, 0.999)
        ),
        max_size=40,
    )
)


@settings(max_examples=EXAMPLES, deadline=None, database=None, suppress_health_check=list(HealthCheck))
@given(plan=plans, seed=st.integers(0, 1000))
def test_no_history_gives_the_upstream_more_than_was_agreed(wire: Wire, plan: Plan, seed: int) -> None:
    perform(Cluster(Ledger(wire), expected=3, seed=seed), plan)


@settings(max_examples=EXAMPLES // 2, deadline=None, database=None, suppress_health_check=list(HealthCheck))
@given(plan=plans, seed=st.integers(0, 1000))
def test_nor_does_one_with_more_nodes_than_expected(wire: Wire, plan: Plan, seed: int) -> None:
    """Who begins reaches the store, as docs/nodes.md asks of those beyond the expected."""
    begun = [(act if act != "begin" else "succeed", whom, choice) for act, whom, choice in plan]
    perform(Cluster(Ledger(wire), expected=2, seed=seed), begun)
