"""Commands at other nodes, as the desk of this one gives them on; what it does here, `test_server` tells."""

from collections.abc import Mapping, Sequence
from typing import Any

from structlog.testing import capture_logs

from dohproxy.control.audit import Peer
from dohproxy.control.command import Command
from dohproxy.control.desk import Desk
from dohproxy.control.service import OtherNodes, Service
from dohproxy.sharing.remote_commands import CarryOut, RemoteAnswer
from dohproxy.sharing.roster import NodeNow
from tests.control.command_samples import FakeService, Handlers, commands

GIVER = Peer(0, 7)


class Others(OtherNodes):
    """Two other nodes, one of which does not answer."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str, Mapping[str, Any], float]] = []

    @property
    def name(self) -> str:
        """What this node is called."""
        return "a"

    @property
    def configuration(self) -> str:
        """Nothing."""
        return ""

    @property
    def store_in_words(self) -> str:
        """Nothing."""
        return ""

    def nodes(self) -> Sequence[NodeNow]:
        """Nobody, as nobody asks."""
        return ()

    def names_there(self) -> Sequence[str]:
        """All of them."""
        return ["a", "b", "c"]

    def serve(self, carry_out: CarryOut) -> None:
        """Do nothing."""

    async def ask(self, name: str, path: str, arguments: Mapping[str, Any], seconds: float) -> RemoteAnswer:
        """Answer, or not."""
        self.asked.append((name, path, arguments, seconds))
        if name == "c":
            return RemoteAnswer(504, {"sentence": "c did not take the command up within 2 s.", "well": False})
        return RemoteAnswer(200, {"sentence": "It was changed.", "well": True, "lines": ["a line"], "count": 1})

    async def forget(self, name: str) -> bool:
        """Do nothing."""
        return True


def desk() -> tuple[Desk, Handlers, Others]:
    """Return a desk, who does what is asked here, and the other nodes."""
    service, handlers, others = FakeService(), Handlers(), Others()
    service.peers = others
    return Desk(service, commands(handlers)), handlers, others


def command(found: Desk, path: str) -> Command[Service]:
    """Return a command that there is."""
    one = found.find(path)
    assert one is not None
    return one


async def test_a_command_for_another_node_is_given_on_and_its_answer_has_the_nodes_name() -> None:
    found, handlers, others = desk()
    change = command(found, "/v1/change")
    said = await found.carry_out(change, {"name": "A", "node": "b"}, GIVER)
    assert (said.status, said.body["sentence"], said.body["node"]) == (200, "b: It was changed.", "b")
    assert others.asked == [("b", "/v1/change", {"name": "A"}, change.seconds)]
    assert handlers.given == []


async def test_a_command_for_this_node_by_name_is_carried_out_here() -> None:
    found, handlers, others = desk()
    said = await found.carry_out(command(found, "/v1/change"), {"name": "A", "node": "a"}, GIVER)
    assert (said.status, said.body["sentence"]) == (200, "a: It was changed.")
    assert (len(handlers.given), others.asked) == (1, [])


async def test_a_command_for_all_tells_what_each_has_said_and_who_has_not() -> None:
    found, handlers, _ = desk()
    said = await found.carry_out(command(found, "/v1/change"), {"name": "A", "node": "all"}, GIVER)
    assert (said.status, said.body["sentence"], said.body["well"]) == (504, "Of 3 nodes not done: c.", False)
    assert said.body["lines"] == [
        "a: It was changed.",
        "a:   a line",
        "b: It was changed.",
        "b:   a line",
        "c: c did not take the command up within 2 s.",
    ]
    assert {name: one["status"] for name, one in said.body["nodes"].items()} == {"a": 200, "b": 200, "c": 504}
    assert len(handlers.given) == 1


async def test_arguments_are_looked_at_before_anybody_is_asked() -> None:
    found, _, others = desk()
    said = await found.carry_out(command(found, "/v1/change"), {"node": "all", "minutes": -1}, GIVER)
    assert said.status == 400
    assert (await found.carry_out(command(found, "/v1/change"), {"name": "A", "node": 7}, GIVER)).status == 400
    assert others.asked == []


async def test_a_node_that_is_not_there_and_a_service_that_is_alone_are_told_in_words() -> None:
    found, _, others = desk()
    said = await found.carry_out(command(found, "/v1/change"), {"name": "A", "node": "d"}, GIVER)
    assert (said.status, said.body["sentence"]) == (409, "There is no node d; there are a, b, c.")
    alone = Desk(FakeService(), commands(Handlers()))
    said = await alone.carry_out(command(alone, "/v1/change"), {"name": "A", "node": "b"}, GIVER)
    assert (said.status, "no [nodes] section" in said.body["sentence"]) == (409, True)
    assert others.asked == []


async def test_what_another_node_was_asked_for_is_carried_out_here_and_audited_with_its_name() -> None:
    found, handlers, others = desk()
    with capture_logs() as logs:
        answer = await found.carry_out_for("/v1/change", {"name": "A", "node": "c"}, "b")
    assert (answer.status, len(handlers.given), others.asked) == (200, 1, []), "it is not given on"
    assert [entry["node"] for entry in logs] == ["b"]
    assert (await found.carry_out_for("/v1/nonsense", {}, "b")).status == 404
