"""The formula by which many nodes are counted, held against question by question."""

import math

import pytest

from bench.cluster.crowd import FEW_NAMES, MANY_NAMES, Crowd
from bench.cluster.model import entries_held, load_of
from bench.cluster.simulation import Cluster


@pytest.mark.parametrize("names", [1_000, FEW_NAMES, MANY_NAMES])
def test_all_questions_of_a_crowd_are_in_its_kinds(names: int) -> None:
    crowd = Crowd(10, names)
    assert math.isclose(sum(kind.count * kind.per_second for kind in crowd.kinds()), crowd.questions_per_second)
    assert sum(kind.count for kind in crowd.kinds()) == pytest.approx(3 * names)


@pytest.mark.parametrize("nodes", [1, 2, 20])
def test_the_formula_is_within_some_percent_of_the_simulation(nodes: int) -> None:
    crowd = Crowd(10, 1_000, ttls=((60, 0.5), (300, 0.5)))
    load = load_of(crowd, nodes)
    alone, shared = (Cluster(nodes, has_store).run(crowd, 900, 1_800) for has_store in (False, True))
    assert alone.upstream / alone.questions == pytest.approx(load.alone / load.questions, rel=0.08)
    assert shared.upstream / shared.questions == pytest.approx(load.shared / load.questions, rel=0.08)
    assert shared.lookups / shared.questions == pytest.approx(load.lookups / load.questions, rel=0.08)


def test_one_node_gains_nothing_by_a_store() -> None:
    load = load_of(Crowd(10), 1)
    assert load.alone == pytest.approx(load.shared)
    assert load.share_answered_by_store == pytest.approx(0.0)


def test_with_a_store_the_upstream_notices_nothing_of_more_nodes() -> None:
    loads = [load_of(Crowd(10), nodes) for nodes in (2, 100)]
    assert loads[0].shared == pytest.approx(loads[1].shared)
    assert loads[1].alone > loads[0].alone


def test_a_node_that_begins_anew_is_warm_with_a_store_and_cold_without() -> None:
    alone, shared = (
        Cluster(2, has_store).run(Crowd(30, 1_000), 1_200, 120, restarts_at=30.0) for has_store in (False, True)
    )
    assert shared.after_restart < 0.5 * alone.after_restart


def test_no_more_answers_are_held_than_there_are_questions() -> None:
    assert entries_held(Crowd(1_000, FEW_NAMES)) < 3 * FEW_NAMES
