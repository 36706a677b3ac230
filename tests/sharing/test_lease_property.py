"""Whatever happens, in whatever order: the upstream never gets more than was agreed.

The script runs in a real store; nodes, network and clocks are simulated. A mutant of script or node that leaves out one
of the rules of docs/nodes.md must be found by the same search.
"""

import os
import random
import types
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dohproxy.sharing import lease_holder, lease_script
from tests.conftest import FindProgram
from tests.fakes.cluster import NETWORKS, Broken, Cluster, Ledger, Wire
from tests.fakes.store import store_process

EXAMPLES = int(os.environ.get("LEASE_EXAMPLES", "40"))
"""How many histories `make test` tries. LEASE_EXAMPLES=5000 is for who has changed a rule; it takes half an hour."""
NAMES = ("a", "b", "c")
ACTS = (
    "advance", "advance", "advance", "advance", "network", "network", "wants", "wants", "crash", "begin", "succeed",
    "pause", "resume", "let go", "leave", "flush", "save", "fail over", "roll back", "move", "clock", "forget",
)  # fmt: skip
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
        _act(cluster, act, NAMES[whom % len(NAMES)], choice)
    cluster.let_go()
    cluster.advance(3.0)


def _act(cluster: Cluster, act: str, name: str, choice: float) -> None:
    node = cluster.nodes[name]
    match act:
        case "advance":
            cluster.advance(choice * choice * 10)
        case "network":
            node.network = list(NETWORKS.values())[int(choice * len(NETWORKS))]
        case "wants":
            node.wants = (0.0, 2.0, 1000.0)[int(choice * 3)]
        case "crash":
            cluster.crash(name)
        case "begin" | "succeed":
            if not node.is_up:
                cluster.begin(name, drift=node.drift - 1, succeeds=act == "succeed")
        case "pause" | "resume":
            node.is_paused = act == "pause"
        case "let go":
            cluster.let_go()
        case "leave":
            cluster.leave(name)
        case "flush":
            cluster.ledger.flush(node.server)
        case "save":
            cluster.ledger.save(node.server)
        case "fail over":
            cluster.ledger.fail_over(node.server)
        case "roll back":
            _roll_back(cluster, node.server)
        case "move":
            _move(cluster, name)
        case "clock":
            cluster.ledger.clock_error += (choice - 0.5) * 200_000
        case "forget":
            cluster.forget(name)


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


plans = st.lists(st.tuples(st.sampled_from(ACTS), st.integers(0, 2), st.floats(0, 0.999)), max_size=40)


@settings(
    max_examples=EXAMPLES,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
@given(plan=plans, seed=st.integers(0, 1000))
def test_no_history_gives_the_upstream_more_than_was_agreed(wire: Wire, plan: Plan, seed: int) -> None:
    perform(Cluster(Ledger(wire), expected=3, seed=seed), plan)


def draw_plan(rng: random.Random, length: int) -> Plan:
    """Return a history, without what it takes to make it smaller."""
    return [(rng.choice(ACTS), rng.randrange(3), rng.random() * 0.999) for _ in range(length)]
