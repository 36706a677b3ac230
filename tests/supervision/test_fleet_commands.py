"""Commands as the supervisor carries them out: told to all, asked of one, or put together."""

from collections.abc import Mapping
from typing import Any

import pytest

from dohproxy.control.command import Command, Refused, Result, WrongArguments, find
from dohproxy.control.commands import COMMANDS
from dohproxy.supervision.asking import Answer
from dohproxy.supervision.fleet_commands import fleet_commands, result_of, together

TABLE = fleet_commands()
DONE = Answer(200, {"sentence": "Done.", "well": True, "lines": ["one"], "count": 1})


class _Fleet:
    """Answers what it was given, and notes what it was told."""

    def __init__(self, *answers: Answer, shares: bool = False) -> None:
        self.answers = list(answers)
        self.shares = shares
        self.told: list[tuple[str, Mapping[str, Any], bool]] = []

    async def tell(self, target: str, values: Mapping[str, Any], seconds: float, *, everybody: bool) -> list[Answer]:
        assert seconds > 0
        self.told.append((target, values, everybody))
        return self.answers if everybody else self.answers[:1]


def _command(name: str) -> Command[Any]:
    return next(command for command in TABLE if command.name == name)


async def _give(command_name: str, fleet: _Fleet, **given: object) -> Result:
    command = _command(command_name)
    return await command.handler(fleet, command.read(given))


def test_the_table_is_the_same_for_who_gives_commands() -> None:
    assert [(one.name, one.help, one.changes) for one in TABLE] == [
        (one.name, one.help, one.changes) for one in COMMANDS
    ]
    assert find(TABLE, "/v1/upstream/pause") is not None


@pytest.mark.parametrize(
    ("name", "given", "everybody"),
    [
        ("ban", {"network": "192.0.2.1", "for": "1h"}, True),
        ("unban", {"network": "192.0.2.1", "for": "1h"}, True),
        ("block", {"name": "example.net"}, True),
        ("upstream pause", {"name": "ns0"}, True),
        ("mode", {"mode": "members"}, True),
        ("log-level", {"level": "debug"}, True),
        ("member add", {"name": "alice"}, False),
        ("member revoke", {"name": "alice"}, False),
        ("bans", {}, False),
        ("config show", {}, False),
    ],
)
async def test_what_changes_something_is_told_to_all_and_what_looks_is_asked_of_one(
    name: str, given: dict[str, object], everybody: bool
) -> None:
    fleet = _Fleet(DONE, DONE)
    result = await _give(name, fleet, **given)
    assert (result.sentence, result.figures, result.lines) == ("Done.", {"count": 1}, ["one"])
    assert fleet.told == [("/v1/" + name.replace(" ", "/"), given, everybody)]


@pytest.mark.parametrize(
    ("name", "given"), [("ban", {"network": "192.0.2.1", "for": "1h"}), ("mode", {"mode": "open"})]
)
async def test_what_the_store_passes_on_is_told_to_one_where_workers_share_one(
    name: str, given: dict[str, object]
) -> None:
    fleet = _Fleet(DONE, DONE, shares=True)
    await _give(name, fleet, **given)
    assert [everybody for _, _, everybody in fleet.told] == [False]


def test_arguments_that_cannot_be_read_reach_no_worker() -> None:
    with pytest.raises(WrongArguments):
        _command("ban").read({"network": "everywhere"})


def test_what_the_first_worker_refuses_is_refused() -> None:
    with pytest.raises(Refused, match="No room"):
        result_of([Answer(409, {"sentence": "No room.", "lines": []})])
    with pytest.raises(WrongArguments, match="Which"):
        result_of([Answer(400, {"sentence": "Which?"})])


def test_that_another_worker_has_not_done_it_is_told() -> None:
    result = result_of([DONE, Answer(503, {"sentence": "Worker 1 did not answer."})])
    assert not result.is_well
    assert any("Worker 1 did not answer." in line for line in result.lines)


async def test_what_was_forgotten_adds_up() -> None:
    def forgotten(count: int, words: str) -> Answer:
        return Answer(200, {"sentence": f"{words} about everything.", "lines": [], "forgotten": count, "well": True})

    fleet = _Fleet(forgotten(1, "Forgotten: 1 answer or failure"), forgotten(41, "Forgotten: 41 answers and failures"))
    result = await _give("flush", fleet, all=True)
    assert result.sentence == "Forgotten: 42 answers and failures about everything."
    assert result.figures == {"forgotten": 42}


def _row(what: str, count: int, **reasons: int) -> dict[str, Any]:
    return {"what": what, "count": count, "share": 0.0, "error": 1, "reasons": reasons}


def test_rows_of_top_add_up_and_the_most_come_first() -> None:
    rows = together([[_row("a", 3, hit=3), _row("b", 2)], [_row("b", 4), _row("a", 1, miss=1)]])
    assert [(row["what"], row["count"], row["error"]) for row in rows] == [("b", 6, 2), ("a", 4, 2)]
    assert rows[1]["reasons"] == {"hit": 3, "miss": 1}


async def test_top_tells_of_all_workers() -> None:
    def seen(*rows: dict[str, Any]) -> Answer:
        total = sum(row["count"] for row in rows)
        figures = {"by": "reason", "seconds": 2.0, "total": total, "top": list(rows)}
        return Answer(200, {"sentence": "", "lines": [], "well": True, **figures})

    result = await _give("top", _Fleet(seen(_row("hit", 3)), seen(_row("hit", 5), _row("miss", 2))), by="reason")
    assert result.figures["total"] == 10
    assert [(row["what"], row["count"], row["share"]) for row in result.figures["top"]] == [
        ("hit", 8, 80.0),
        ("miss", 2, 20.0),
    ]
    assert result.sentence.startswith("10 requests were looked at")
