"""Each rule by which leases stay within what was agreed: the history for which it is there, and that without it the
upstream would get too much."""

import sys
import types
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from dohproxy.sharing import lease_holder, lease_script
from dohproxy.sharing.lease_holder import LeaseHolder
from tests.conftest import FindProgram
from tests.fakes.cluster import NETWORKS, Broken, Cluster, Ledger, Network, Wire
from tests.fakes.store import store_process

CUT_OFF, REPLIES_LOST, GOOD = (NETWORKS[name] for name in ("cut off", "replies lost", "good"))
GREEDY, IDLE = 1000.0, 0.0


@pytest.fixture(scope="module")
def wire(find_program: FindProgram, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Wire]:
    """A client of a store of this module."""
    with store_process(find_program("redis-server", "redis-server"), tmp_path_factory.mktemp("store")) as process:
        wire = Wire(process.path)
        yield wire
        wire.close()


def all_idle(cluster: Cluster) -> None:
    for name in "abc":
        cluster.begin(name).wants = IDLE
    cluster.advance(9)


def one_has_nearly_all(cluster: Cluster) -> None:
    all_idle(cluster)
    for name, node in cluster.nodes.items():
        node.wants = GREEDY if name == "a" else IDLE
    cluster.advance(4)
    assert cluster.parts()["a"] > 0.8


def one_calls_and_hears_nothing(cluster: Cluster) -> None:
    one_has_nearly_all(cluster)
    cluster.nodes["c"].network = REPLIES_LOST
    cluster.advance(12)
    assert cluster.parts()["c"] == pytest.approx(1 / 3)


def one_is_to_give_back_and_does_not_hear_it(cluster: Cluster) -> None:
    one_has_nearly_all(cluster)
    cluster.nodes["a"].network, cluster.nodes["b"].wants = REPLIES_LOST, GREEDY
    cluster.advance(5)


def the_clock_of_the_store_jumps(cluster: Cluster) -> None:
    one_has_nearly_all(cluster)
    cluster.nodes["a"].network = CUT_OFF
    cluster.ledger.clock_error = 100.0
    cluster.nodes["b"].wants = GREEDY
    cluster.advance(5)


def a_call_arrives_long_after_later_ones(cluster: Cluster) -> None:
    all_idle(cluster)
    cluster.nodes["a"].network = CUT_OFF
    cluster.advance(1.2)
    cluster.nodes["a"].network, cluster.nodes["a"].wants = GOOD, GREEDY
    cluster.advance(4)
    cluster.let_go()
    cluster.nodes["a"].network, cluster.nodes["b"].wants = CUT_OFF, GREEDY
    cluster.advance(5)


def another_server_takes_over_that_has_missed_the_last_writes(cluster: Cluster) -> None:
    cluster.begin("d")
    one_has_nearly_all(cluster)
    a, b, c, d = (cluster.nodes[name] for name in "abcd")
    a.wants, d.wants = IDLE, GREEDY
    cluster.advance(4)
    d.network = CUT_OFF
    cluster.advance(1.2)
    b.network = c.network = CUT_OFF
    cluster.ledger.save(0)
    d.network, a.wants = GOOD, GREEDY
    cluster.leave("d")
    cluster.advance(1.6)
    cluster.ledger.fail_over(0)
    a.network, b.network, c.network, b.wants = CUT_OFF, GOOD, GOOD, GREEDY
    cluster.advance(5)


def the_store_is_set_back(cluster: Cluster) -> None:
    one_has_nearly_all(cluster)
    cluster.ledger.save(0)
    cluster.advance(30)
    cluster.ledger.copy(0, 0)
    cluster.nodes["b"].network = REPLIES_LOST
    cluster.advance(14)


def one_is_silent_for_long(cluster: Cluster) -> None:
    one_has_nearly_all(cluster)
    cluster.nodes["c"].network = CUT_OFF
    cluster.advance(12)
    assert cluster.parts()["c"] == pytest.approx(1 / 3)


def two_are_silent_one_after_the_other(cluster: Cluster) -> None:
    one_has_nearly_all(cluster)
    cluster.nodes["c"].network = CUT_OFF
    cluster.advance(1.2)
    cluster.nodes["a"].network = CUT_OFF
    cluster.advance(10)


def one_begins_that_cannot_reach_the_store(cluster: Cluster) -> None:
    cluster.begin("a")
    cluster.begin("b")
    cluster.advance(10)
    cluster.begin("c", network=CUT_OFF)
    cluster.advance(10)
    assert cluster.parts()["c"] == pytest.approx(1 / 3)


def the_store_forgets_all_and_a_call_from_before_arrives_late(cluster: Cluster) -> None:
    one_has_nearly_all(cluster)
    cluster.advance(30)
    cluster.ledger.flush(0)
    cluster.nodes["b"].network = CUT_OFF
    cluster.advance(2)
    cluster.nodes["b"].is_paused = True
    cluster.advance(7)
    cluster.let_go()
    cluster.advance(2)


def the_store_forgets_all_and_one_uses_an_old_lease(cluster: Cluster) -> None:
    one_has_nearly_all(cluster)
    cluster.nodes["a"].network = CUT_OFF
    cluster.ledger.flush(0)
    cluster.nodes["b"].wants = cluster.nodes["c"].wants = GREEDY
    cluster.advance(10)


def one_goes_over_to_another_server(cluster: Cluster) -> None:
    one_has_nearly_all(cluster)
    cluster.ledger.save(0)
    cluster.ledger.copy(0, 1)
    cluster.nodes["b"].server = 1
    cluster.advance(10)
    cluster.nodes["b"].wants = GREEDY
    cluster.advance(3)
    cluster.nodes["c"].server = 1
    cluster.advance(12)


def one_is_lost_whose_replies_took_long(cluster: Cluster) -> None:
    all_idle(cluster)
    a, b = cluster.nodes["a"], cluster.nodes["b"]
    a.wants, b.wants, a.network = GREEDY, GREEDY, Network(0.0, 0.45)
    cluster.advance(6)
    a.network = CUT_OFF
    cluster.advance(5)


def one_begins_again_that_had_lent_its_base(cluster: Cluster) -> None:
    one_has_nearly_all(cluster)
    cluster.crash("c")
    cluster.begin("c", network=CUT_OFF)
    cluster.advance(10)


def two_have_one_name(cluster: Cluster) -> None:
    """The second one is simulated as another node with the first one's digest."""
    one_has_nearly_all(cluster)
    twin = cluster.begin("d")
    twin.holder.node = "a"
    cluster.advance(10)
    assert twin.holder.is_taken
    assert cluster.parts()["d"] == 0.0


Rule = tuple[Callable[[Cluster], None], *tuple[str, ...]]
"""A history, and which lines are to be replaced by which."""
IN_THE_SCRIPT: dict[str, Rule] = {
    "who has not heard lately may be back at its base, so that is not lent": (
        one_calls_and_hears_nothing,
        "return not node.left and caller.fresh > 0 and node.memory >= caller.fresh",
        "return not node.left",
    ),
    "a smaller part counts when its node has said that it has adopted it": (
        one_is_to_give_back_and_does_not_hear_it,
        "kept_of(held.whole, other.k), math.max(held.used, held.granted)",
        "kept_of(held.whole, other.k), held.granted",
    ),
    "a lease is over by the caller's own clock, and not by that of the store": (
        the_clock_of_the_store_jumps,
        "(caller.over > 0 and node.seq < caller.over)",
        "(seconds() - node.clock > 3.03)",
    ),
    "a call that arrives after later ones counts for nothing": (
        a_call_arrives_long_after_later_ones,
        "told.number <= node.number then\n    return { old",
        "false then\n    return { old",
    ),
    "who is silent has its base": (
        one_is_silent_for_long,
        "free, room = free - base, room - base",
        "free, room = free, room",
    ),
    "who has never called has its base": (
        one_begins_that_cannot_reach_the_store,
        "local unknown = most - known",
        "local unknown = 0",
    ),
    "what was heard in another epoch says nothing in this one": (
        the_store_forgets_all_and_a_call_from_before_arrives_late,
        "told.seq, told.memory, told.fresh, told.over = 0, 0, 0, 0",
        "told.seq, told.fresh, told.over = 0, 0, 0",
    ),
    "a name at work is not given to another": (
        two_have_one_name,
        "if is_taken(node, told) then",
        "if false then",
    ),
}
AT_THE_NODE: dict[str, Rule] = {
    "who loses the store waits before it goes back to its base": (
        two_are_silent_one_after_the_other,
        "self._alone_at = now + ALONE_SECONDS",
        "self._alone_at = self._lease_until",
    ),
    "in a new epoch nothing is gained until all leases of the one before are over": (
        the_store_forgets_all_and_one_uses_an_old_lease,
        "held.granted = grant.part if now >= held.bound_until else min(grant.part, held.bound)",
        "held.granted = grant.part",
    ),
    "in a new epoch nothing is lent until what was lent in the one before is back": (
        one_goes_over_to_another_server,
        "memory=seq if now >= self._is_lender_at else 0",
        "memory=seq",
    ),
    "a lease counts from when its call was sent": (
        one_is_lost_whose_replies_took_long,
        "self._lease_until = sent.at + LEASE_SECONDS",
        "self._lease_until = now + LEASE_SECONDS",
    ),
    "who has not called for a moment may still use its lease": (
        the_clock_of_the_store_jumps,
        "longest = LEASE_SECONDS * (1 + DRIFT)",
        "longest = LEASE_SECONDS / 2",
    ),
    "only what was heard lately says that a node is at work": (
        one_calls_and_hears_nothing,
        "if one.sent_at >= now - RECENT_SECONDS",
        "if True",
    ),
    "who begins again begins with what is never lent": (
        one_begins_again_that_had_lent_its_base,
        "held.granted = held.bound = self._kept(units)",
        "held.granted = held.bound = self._base(units, now) or units // self._k / units",
    ),
}
FOUR = (another_server_takes_over_that_has_missed_the_last_writes,)
"""Histories with four nodes."""
HISTORIES = [
    the_store_is_set_back,
    another_server_takes_over_that_has_missed_the_last_writes,
    *(rule[0] for rule in (*IN_THE_SCRIPT.values(), *AT_THE_NODE.values())),
]


@pytest.mark.parametrize("history", dict.fromkeys(HISTORIES), ids=lambda history: history.__name__.replace("_", " "))
def test_the_upstream_gets_no_more_than_was_agreed_when(history: Callable[[Cluster], None], wire: Wire) -> None:
    history(Cluster(Ledger(wire), expected=_expected(history)))


@pytest.mark.parametrize("rule", IN_THE_SCRIPT)
def test_the_upstream_would_get_more_without_the_rule_of_the_script_that(rule: str, wire: Wire) -> None:
    history, *lines = IN_THE_SCRIPT[rule]
    with pytest.raises(Broken):
        history(Cluster(Ledger(wire, _without(lease_script.TEXT, lines)), expected=_expected(history)))


@pytest.mark.parametrize("rule", AT_THE_NODE)
def test_the_upstream_would_get_more_without_the_rule_of_the_node_that(rule: str, wire: Wire) -> None:
    history, *lines = AT_THE_NODE[rule]
    with pytest.raises(Broken):
        history(Cluster(Ledger(wire), expected=_expected(history), holder=_mutant(lines)))


def _expected(history: Callable[[Cluster], None]) -> int:
    return 4 if history in FOUR else 3


def _without(text: str, lines: Sequence[str]) -> str:
    for line, instead in zip(lines[::2], lines[1::2], strict=True):
        assert text.count(line) == 1
        text = text.replace(line, instead)
    return text


def _mutant(lines: Sequence[str]) -> type[LeaseHolder]:
    """Return a holder that lacks a rule."""
    module = types.ModuleType("lease_holder_without_a_rule")
    sys.modules[module.__name__] = module
    source = _without(Path(lease_holder.__file__).read_text(encoding="utf-8"), lines)
    exec(compile(source, "mutant", "exec"), module.__dict__)  # noqa: S102 - of our own source
    found: type[LeaseHolder] = module.LeaseHolder
    return found
