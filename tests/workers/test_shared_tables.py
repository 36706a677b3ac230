"""Tables of one process, and those that several have together."""

import mmap
import os
from collections.abc import Iterator

import pytest

from dohproxy.workers.shared_tables import PAGE_BYTES, SharedTables, bytes_of, places_of, private_table

SIZES = {"first": 8, "second": PAGE_BYTES + 8, "third": PAGE_BYTES}


@pytest.fixture
def descriptor() -> Iterator[int]:
    """Memory for tables of these sizes."""
    opened = os.memfd_create("tables")
    os.ftruncate(opened, bytes_of(SIZES))
    yield opened
    os.close(opened)


def test_a_private_table_is_nobody_elses() -> None:
    one, other = private_table("first", 8), private_table("first", 8)
    one[0] = 1
    assert (len(one), other[0]) == (8, 0)


def test_no_table_lies_in_another() -> None:
    places = places_of(SIZES)
    assert places == {"first": 0, "second": PAGE_BYTES, "third": 3 * PAGE_BYTES}
    assert bytes_of(SIZES) == 4 * PAGE_BYTES


def test_what_one_writes_into_a_table_another_finds_there_and_in_no_other(descriptor: int) -> None:
    one, other = SharedTables(descriptor, SIZES), SharedTables(descriptor, SIZES)
    one("second", SIZES["second"])[-1] = 7
    assert other("second", SIZES["second"])[-1] == 7
    assert not any(other("first", 8))
    assert not any(other("third", PAGE_BYTES))


@pytest.mark.parametrize(("name", "size"), [("first", 16), ("fourth", 8)], ids=["another size", "another name"])
def test_a_table_that_is_not_there_is_a_bug(descriptor: int, name: str, size: int) -> None:
    tables = SharedTables(descriptor, SIZES)
    with pytest.raises(ValueError, match=name):
        tables(name, size)


def test_a_mapping_that_is_too_short_is_refused() -> None:
    short = os.memfd_create("tables")
    try:
        os.ftruncate(short, mmap.PAGESIZE)
        with pytest.raises((ValueError, OSError)):
            SharedTables(short, SIZES)
    finally:
        os.close(short)
