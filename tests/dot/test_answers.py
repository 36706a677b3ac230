"""Answers on their way out: all of them, in their order, and no more at once than a client is to be given."""

from hypothesis import given
from hypothesis import strategies as st

from dohproxy.dot.answers import PIECE_BYTES, Answers
from dohproxy.dot.framing import framed

LARGEST = 65_535
SIZES = st.one_of(st.integers(12, 500), st.integers(12, LARGEST))


@given(st.lists(SIZES, min_size=1, max_size=20))
def test_all_come_out_whole_and_in_their_order_a_piece_at_a_time(sizes: list[int]) -> None:
    answers, wires = Answers(), [bytes([place]) * size for place, size in enumerate(sizes)]
    for wire in wires:
        answers.add(b"id", wire)
    assert answers.held_bytes == sum(size + 2 for size in sizes)
    pieces = []
    while answers.held_bytes:
        before = answers.held_bytes
        pieces.append(answers.next_piece())
        assert len(pieces[-1]) < PIECE_BYTES + LARGEST + 2
        assert answers.held_bytes == before - len(pieces[-1])
    assert b"".join(pieces) == b"".join(framed(b"id", wire) for wire in wires)
    assert all(len(piece) >= PIECE_BYTES for piece in pieces[:-1])


def test_nothing_is_left_of_those_that_will_not_be_written() -> None:
    answers = Answers()
    answers.add(b"id", bytes(12))
    answers.forget()
    assert answers.held_bytes == 0
    answers.add(b"id", bytes(13))
    assert len(answers.next_piece()) == 15
