"""What the script says: how needs are met, bases divided, names kept apart, and what begins a new epoch."""

import json
from collections.abc import Iterator
from dataclasses import replace

import pytest

from dohproxy.sharing.lease_script import (
    TEXT,
    Call,
    Granted,
    Want,
    call_arguments,
    forget_arguments,
    leave_arguments,
    read_forgotten,
    read_granted,
    read_roster,
    roster_arguments,
)
from tests.conftest import FindProgram
from tests.fakes.cluster import Ledger, Wire
from tests.fakes.store import store_process

NOTHING = Want("budget", 12, 0.0, 0.0, 0.0)
CALL = Call("a", "a/1", "", 1, "epoch 1", "", 0, 0, 0, 0, 0, 3, 3, (NOTHING,))


@pytest.fixture(scope="module")
def wire(find_program: FindProgram, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Wire]:
    """A client of a store of this module."""
    with store_process(find_program("redis-server", "redis-server"), tmp_path_factory.mktemp("store")) as process:
        wire = Wire(process.path)
        yield wire
        wire.close()


@pytest.fixture
def ledger(wire: Wire) -> Ledger:
    """An empty one."""
    return Ledger(wire)


def ask(ledger: Ledger, call: Call, now: float = 0.0) -> Granted:
    granted = read_granted(ledger.run(0, call_arguments(call), now), call.wants)
    assert granted is not None
    return granted


def wanting(name: str, *, members: float = 0.0, others: float = 0.0, used: float = 0.0) -> Call:
    want = replace(NOTHING, members=members, others=others, used=used)
    return replace(CALL, node=name, instance=f"{name}/1", wants=(want,))


def known_to_all(ledger: Ledger, *calls: Call) -> dict[str, int]:
    """Have nodes call in turn until nothing changes, each with what it has got; return their units."""
    heard = {call.node: call for call in calls}
    got: dict[str, Granted] = {}
    for number in range(1, 9):
        for name, call in heard.items():
            before = got.get(name)
            seq = before.seq if before else 0
            used = before.grants[0].part if before else 0.0
            call = replace(
                call, number=number, epoch=before.epoch if before else "", seq=seq, memory=seq, fresh=max(1, seq - 6),
                k=3, wants=(replace(call.wants[0], used=used),),
            )  # fmt: skip
            got[name] = ask(ledger, call)
    return {name: granted.grants[0].granted for name, granted in got.items()}


@pytest.mark.parametrize(
    ("needs", "units"),
    [
        pytest.param([(0, 0), (0, 0), (0, 0)], [4, 4, 4], id="without any, evenly"),
        pytest.param([(0, 1), (0, 0), (0, 0)], [10, 1, 1], id="of one, nearly all"),
        pytest.param([(0, 1), (0, 1), (0, 0)], [6, 5, 1], id="of two, in halves"),
        pytest.param([(0.5, 0), (0, 1), (0, 1)], [6, 3, 3], id="of members first, then of others"),
        pytest.param([(1, 0), (1, 0), (0, 1)], [6, 5, 1], id="of members, in proportion, where they want all"),
    ],
)
def test_needs_are_met(ledger: Ledger, needs: list[tuple[float, float]], units: list[int]) -> None:
    calls = [wanting(name, members=one[0], others=one[1]) for name, one in zip("abc", needs, strict=True)]
    granted = list(known_to_all(ledger, *calls).values())
    assert granted == pytest.approx(units, abs=1)
    assert sum(granted) <= 12


def test_who_has_never_called_has_its_base(ledger: Ledger) -> None:
    assert ask(ledger, wanting("a", others=1.0)).grants[0].granted == 4


def test_a_call_that_was_overtaken_counts_for_nothing(ledger: Ledger) -> None:
    ask(ledger, replace(CALL, number=2))
    assert read_granted(ledger.run(0, call_arguments(CALL), 0.0), CALL.wants) is None


def test_a_name_at_work_is_another_s(ledger: Ledger) -> None:
    first = ask(ledger, CALL)
    twin = ask(ledger, replace(CALL, instance="a/2", epoch=first.epoch))
    assert twin.is_taken
    assert twin.grants == ()


def test_a_run_that_is_known_to_have_ended_is_succeeded_at_once(ledger: Ledger) -> None:
    ask(ledger, CALL)
    assert not ask(ledger, replace(CALL, instance="a/2", succeeds="a/1")).is_taken


def test_a_run_that_has_left_is_succeeded_at_once(ledger: Ledger) -> None:
    ask(ledger, CALL)
    assert json.loads(ledger.run(0, leave_arguments(replace(CALL, number=2)), 0.0)) == {"left": True}
    assert not ask(ledger, replace(CALL, instance="a/2")).is_taken


def test_a_run_that_has_been_silent_for_longer_than_a_lease_is_succeeded(ledger: Ledger) -> None:
    ask(ledger, CALL)
    waiting = ask(ledger, replace(CALL, instance="a/2"))
    later = replace(CALL, instance="a/2", number=2, epoch=waiting.epoch, seq=waiting.seq, over=waiting.seq)
    assert not ask(ledger, later).is_taken


@pytest.mark.parametrize(
    "cause",
    ["an empty store", "a store that has begun anew with what it had saved", "a store that has been set back"],
)
def test_a_new_epoch_begins_with(ledger: Ledger, cause: str) -> None:
    first = ask(ledger, CALL)
    ledger.save(0)
    second = ask(ledger, replace(CALL, number=2, epoch=first.epoch, seq=first.seq, nonce="epoch 2"))
    assert second.epoch == first.epoch
    if cause == "an empty store":
        ledger.flush(0)
    elif cause == "a store that has been set back":
        ledger.copy(0, 0)
    else:
        ledger.fail_over(0)
    third = ask(ledger, replace(CALL, number=3, epoch=second.epoch, seq=second.seq, nonce="epoch 3"))
    assert third.epoch == "epoch 3"


def test_bases_never_add_up_to_more_than_the_whole(ledger: Ledger) -> None:
    """Two are expected and a third comes: it has no base until both others have said that theirs is smaller."""
    two = {name: replace(CALL, node=name, instance=f"{name}/1", expected=2, most=2) for name in "ab"}
    offered = {name: ask(ledger, call) for name, call in two.items()}
    assert [granted.k for granted in offered.values()] == [2, 2]
    third = replace(CALL, node="c", instance="c/1", expected=2, most=2)
    assert ask(ledger, third).k == 0
    for number, (name, call) in enumerate(two.items(), 1):
        assert ask(ledger, replace(call, number=2, k=2, epoch=offered[name].epoch)).k == 3
        ask(ledger, replace(call, number=3, k=3, epoch=offered[name].epoch))
        # What has become free of the one is less than it is to have, and what has become free of both is that.
        assert ask(ledger, replace(third, number=1 + number)).k == (6, 3)[number - 1]


def test_who_is_forgotten_is_counted_no_more(ledger: Ledger) -> None:
    ask(ledger, CALL)
    ask(ledger, replace(CALL, node="b", instance="b/1"))
    assert read_forgotten(ledger.run(0, forget_arguments("b", "nonce", 10.0), 5.0)) is False
    assert read_forgotten(ledger.run(0, forget_arguments("b", "nonce", 10.0), 15.0)) is True
    assert read_forgotten(ledger.run(0, forget_arguments("b", "nonce", 10.0), 15.0)) is None
    granted = ask(ledger, replace(CALL, number=2), 16.0)
    assert (granted.known, granted.forgotten) == (1, 1)


def test_who_has_not_called_for_a_day_is_forgotten_but_not_because_a_clock_has_jumped(wire: Wire) -> None:
    """The day is a minute here; a jump counts for five seconds of it."""
    assert "DAY_SECONDS = 86400" in TEXT
    ledger = Ledger(wire, TEXT.replace("DAY_SECONDS = 86400", "DAY_SECONDS = 60"))
    ask(ledger, CALL)
    ask(ledger, replace(CALL, node="b", instance="b/1"))
    known = [ask(ledger, replace(CALL, number=number), 90_000.0 * number).known for number in range(2, 15)]
    assert known == [2] * 11 + [1] * 2


def test_the_roster_names_all(ledger: Ledger) -> None:
    ask(ledger, replace(CALL, about="first"), 1.0)
    ask(ledger, replace(CALL, node="b", instance="b/1", about="second"), 3.0)
    rows = read_roster(ledger.run(0, roster_arguments("nonce"), 4.0))
    assert [(row.node, row.about, row.silent_seconds, row.has_left) for row in rows] == [
        ("a", "first", 3.0, False),
        ("b", "second", 1.0, False),
    ]
    assert read_roster(b"nonsense") == ()


@pytest.mark.parametrize(
    "reply",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"[]", id="a list"),
        pytest.param(b'{"old":true}', id="that the call was overtaken"),
        pytest.param(None, id="no reply"),
        pytest.param(b'{"epoch":"e","seq":1,"k":1,"known":1,"forgotten":0,"grants":[]}', id="too few grants"),
        pytest.param(b'{"epoch":"e","seq":1,"k":1,"known":1,"forgotten":0,"grants":[[5,4]]}', id="more than there is"),
        pytest.param(b'{"epoch":"e","seq":1,"k":1,"known":1,"forgotten":0,"grants":[["a",4]]}', id="a word"),
    ],
)
def test_nothing_is_granted_by(reply: bytes | None) -> None:
    assert read_granted(reply, CALL.wants) is None
