"""Sketches: how near the estimate is, whatever the number, and what they do not tell."""

import random

import pytest

from dohproxy.policy.hyperloglog import HASH_BITS, INDEX_BITS, ODD, REGISTERS, HyperLogLog


def hashes(count: int, seed: int = 7) -> list[int]:
    rng = random.Random(seed)  # noqa: S311 - the same every time
    return [rng.getrandbits(64) for _ in range(count)]


def sketch(numbers: list[int], salt: int = 0x1234_5678_9ABC_DEF0) -> HyperLogLog:
    made = HyperLogLog(salt)
    for number in numbers:
        made.add(number)
    return made


def test_of_nothing_there_is_nothing() -> None:
    assert HyperLogLog(1).estimate() == 0.0


@pytest.mark.parametrize("count", [1, 10, 100, 1_000, 10_000, 30_000, 200_000])
def test_an_estimate_is_within_three_of_its_errors(count: int) -> None:
    assert sketch(hashes(count)).estimate() == pytest.approx(count, rel=0.05, abs=0.6)


def test_who_comes_again_is_not_counted_again() -> None:
    numbers = hashes(500)
    assert sketch(numbers * 3).estimate() == sketch(numbers).estimate()


def test_it_never_falls_and_has_no_step_where_others_change_their_formula() -> None:
    made, before = HyperLogLog(3), 0.0
    for number, added in enumerate(hashes(15_000), start=1):
        made.add(added)
        if number % 500 == 0:
            now = made.estimate()
            # HyperLogLog of 2007 changes its formula at 10,240 and is some percent off around it.
            assert 350 < now - before < 650
            before = now


def test_hashes_that_differ_in_one_bit_alone_are_told_apart() -> None:
    assert sketch([1 << bit for bit in range(64)]).estimate() == pytest.approx(64, abs=4)


def test_another_salt_fills_other_registers() -> None:
    numbers = hashes(200)
    assert sketch(numbers, salt=1).estimate() != sketch(numbers, salt=2).estimate()


def test_a_register_that_can_hold_no_more_is_no_error() -> None:
    back = pow(ODD, -1, 1 << HASH_BITS)
    emptiest = [place << (HASH_BITS - INDEX_BITS) for place in range(REGISTERS)]
    assert sketch([number * back % (1 << HASH_BITS) for number in emptiest], salt=0).estimate() == 2.0**64


def test_two_sketches_with_one_salt_merge_into_that_of_all() -> None:
    numbers = hashes(3_000)
    one, other = sketch(numbers[:2_000]), sketch(numbers[1_000:])
    assert one.salt == other.salt
    one.merge(other.registers)
    assert one.registers == sketch(numbers).registers


def test_what_is_no_other_sketch_is_not_merged() -> None:
    made = sketch(hashes(100))
    before = made.registers
    for registers in (b"", b"\x01" * (REGISTERS + 1), b"\xff" * REGISTERS):
        made.merge(registers)
    assert made.registers == before
