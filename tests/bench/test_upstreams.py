"""The table of real upstreams: how it is made, and its shortest version, with a real Unbound that serves or refuses."""

import pytest

from bench.upstreams.__main__ import DOCUMENT, hold
from bench.upstreams.servers import KINDS, State
from bench.upstreams.stay import Stay, what_a_client_gets
from bench.upstreams.table import BEGIN, END, HEADING, table, with_table
from dohproxy.outcomes import Reason
from dohproxy.upstream.resolver import UpstreamFailure
from tests.conftest import FindProgram
from tests.fakes.guest import GOOD, REFUSED


def test_a_row_has_a_cell_for_each_heading() -> None:
    stay = Stay("Unbound", State.REFUSING, "udp", said=["refused"], queries=15)
    stay.got.update({"SERVFAIL": 60, "answers": 2})
    assert len(stay.row()) == len(HEADING)
    assert table([stay.row()]).splitlines()[2] == "| Unbound | refusing | udp | refused | 60 SERVFAIL, 2 answers | 15 |"


def test_nothing_to_say_is_said() -> None:
    assert Stay("BIND", State.DEFAULT, "tcp").row()[3] == "nothing"


def test_a_new_table_takes_the_place_of_the_former_one() -> None:
    text = with_table(f"before\n{BEGIN}\nold\n{END}\nafter\n", [("a",) * len(HEADING)], "now")
    assert text == f"before\n{BEGIN}\nnow\n\n{table([('a',) * len(HEADING)])}{END}\nafter\n"
    with pytest.raises(ValueError, match="there is no"):
        with_table("nothing of the kind", [], "now")


def test_the_document_has_the_table_of_every_program() -> None:
    made = DOCUMENT.read_text(encoding="utf-8").partition(BEGIN)[2].partition(END)[0]
    rows = [line.split(" | ") for line in made.splitlines() if line.startswith("| ")][1:]
    seen = {(row[0].removeprefix("| "), row[1], row[2]) for row in rows if "---" not in row[0]}
    expected = {(kind.name, str(state), way) for kind in KINDS for state in kind.states for way in kind.transports}
    assert seen == expected


@pytest.mark.parametrize(
    ("found", "word"),
    [
        (GOOD, "answers"),
        (UpstreamFailure(Reason.UPSTREAM_REFUSED, REFUSED), "SERVFAIL"),
        (UpstreamFailure(Reason.UPSTREAM_TIMEOUT), "SERVFAIL"),
        (None, "SERVFAIL"),
    ],
    ids=["an answer", "a refusal", "silence", "nothing"],
)
def test_what_clients_get_is_what_the_service_tells_them(found: object, word: str) -> None:
    assert what_a_client_gets(found) == word  # type: ignore[arg-type]  # one of each


@pytest.mark.parametrize(("state", "said"), [(State.DEFAULT, []), (State.REFUSING, ["refused"])], ids=str)
def test_a_real_unbound_is_told_for_what_it_does(state: State, said: list[str], find_program: FindProgram) -> None:
    find_program("unbound", "unbound")
    (unbound,) = [kind for kind in KINDS if kind.program == "unbound"]
    (stay,) = hold([unbound], ["udp"], [state], questions=20)
    assert stay.said == said
    if state is State.DEFAULT:
        assert dict(stay.got) == {"answers": 20}
        # And the probe at the start.
        assert stay.queries == 20 + 1
    else:
        assert dict(stay.got) == {"SERVFAIL": 20}
        # Some to tell a ban from what only looks like it, two of them once more without additions, a probe, a trial.
        assert stay.queries <= 20
