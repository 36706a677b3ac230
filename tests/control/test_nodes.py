"""What `nodes` tells of who is there, and when one can be forgotten."""

from collections.abc import Sequence
from typing import Any

import pytest

from dohproxy.control.command import Refused
from dohproxy.control.nodes import forget, lines, nodes, seen
from dohproxy.sharing.roster import NodeNow, Report
from tests.control.command_samples import FakeService
from tests.control.test_desk import Others


def node(name: str, silent: float = 0.5, *, ahead: float = 0.0, **more: Any) -> NodeNow:
    """Return a node as another sees it."""
    said: dict[str, Any] = {
        "since": 1_700_000_000.0,
        "wall": 0.0,
        "version": "0.1.0",
        "configuration": "c0",
        "behind": 0.0,
    }
    report = Report(name, "a" * 16, 1, **(said | {"counters": {}} | more))
    return NodeNow(report, silent, silent < 3.0, ahead, is_self=name == "a")


class Seen(Others):
    """Nodes that a test has made."""

    def __init__(self, found: Sequence[NodeNow], wrong: str = "") -> None:
        super().__init__()
        self.found, self.wrong, self.forgotten = found, wrong, [""]

    @property
    def configuration(self) -> str:
        """What ours is known by."""
        return "c0"

    @property
    def store_in_words(self) -> str:
        """What is wrong with the store."""
        return self.wrong

    def nodes(self) -> Sequence[NodeNow]:
        """Return them."""
        return self.found

    async def forget(self, name: str) -> bool:
        """Forget it, if the store is well."""
        self.forgotten.append(name)
        return not self.wrong


def service(*found: NodeNow, wrong: str = "") -> FakeService:
    """Return a service among nodes."""
    made = FakeService()
    made.peers = Seen(found, wrong)
    return made


async def test_nodes_that_are_well_are_told_with_since_version_and_configuration() -> None:
    result = await nodes(service(node("a"), node("b")), {})
    assert (result.sentence, result.is_well) == ("2 nodes are there.", True)
    assert result.lines == [
        "a (this one): since 2023-11-14 22:13 UTC, version 0.1.0, configuration c0",
        "b: since 2023-11-14 22:13 UTC, version 0.1.0, configuration c0",
    ]
    assert result.figures["nodes"][1]["silent_seconds"] == 0.5


@pytest.mark.parametrize(
    ("amiss", "words"),
    [
        (node("b", configuration="c1"), "it runs another configuration: reload the older one"),
        (node("b", behind=60.0), "it has not heard what was said in the last 1 min"),
        (node("b", ahead=90.0), "its clock is 1 min 30 s ahead: see to its NTP"),
        (node("b", ahead=-90.0), "its clock is 1 min 30 s behind: see to its NTP"),
    ],
)
async def test_what_is_amiss_with_a_node_is_told_and_is_not_well(amiss: NodeNow, words: str) -> None:
    result = await nodes(service(node("a"), amiss), {})
    assert not result.is_well
    assert result.lines[1].endswith(f"; {words}")


async def test_nodes_that_are_gone_are_told_and_are_no_fault() -> None:
    result = await nodes(service(node("a"), node("b", 90.0, configuration="c1")), {})
    assert (result.sentence, result.is_well) == ("1 node is there, 1 were within a day.", True)
    assert result.lines[1] == "b: silent for 1 min 30 s"


async def test_a_store_that_cannot_be_used_is_told() -> None:
    result = await nodes(service(node("a"), wrong="at unix:/x does not answer"), {})
    assert not result.is_well
    assert "The store at unix:/x does not answer" in result.sentence


async def test_who_is_alone_is_told_so() -> None:
    for command, values in ((nodes, {}), (forget, {"name": "b"})):
        with pytest.raises(Refused, match=r"no \[nodes\] section"):
            await command(FakeService(), values)


async def test_a_node_that_is_gone_can_be_forgotten_and_one_that_is_there_cannot() -> None:
    made = service(node("a"), node("b", 90.0), node("c"))
    assert (
        await forget(made, {"name": "b"})
    ).sentence == "b is forgotten, and its part of every budget is the others'."
    with pytest.raises(Refused, match="c is there"):
        await forget(made, {"name": "c"})
    assert "did you mean b?" in (await forget(made, {"name": "bb"})).sentence
    with pytest.raises(Refused, match="The store is gone"):
        await forget(service(node("a"), wrong="is gone"), {"name": "b"})


def test_status_tells_all_in_a_line_and_what_is_amiss_in_others() -> None:
    assert seen(None) == []
    assert list(lines([])) == []
    told = seen(Seen([node("a"), node("b", configuration="c1"), node("c", 90.0, configuration="c2")]))
    assert list(lines(told)) == [
        "nodes: a, b; gone: c",
        "node b: it runs another configuration: reload the older one",
    ]
