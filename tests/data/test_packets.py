"""Our own packets: broad enough to stand where foreign ones would."""

import pytest

from dohproxy.wire.answer import Answer
from dohproxy.wire.malformed import Fault
from dohproxy.wire.query import Query
from fuzz.invariants import check_answer, check_query
from tests.data.packets import all_packets, well_formed
from tests.data.records import RECORDS

BESIDES = {Fault.TOO_LONG, Fault.COMPRESSION_WORK}
"""What takes a packet of more bytes than is worth while to repeat in every test; `fuzz.worst_cases` has it."""
NOT_FOR_US = {"an answer for another class"}


def test_they_meet_every_fault_but_those_of_size() -> None:
    outcomes = [check(wire) for wire in all_packets().values() for check in (check_query, check_answer)]
    met = {outcome.fault for outcome in outcomes if not isinstance(outcome, Query | Answer)}
    assert met == set(Fault) - BESIDES


def test_every_well_formed_one_is_accepted_but_that_of_another_class() -> None:
    refused = {
        name
        for name, wire in well_formed().items()
        if not isinstance(check_answer(wire) if wire[2] & 0x80 else check_query(wire), Query | Answer)
    }
    assert refused == NOT_FOR_US


@pytest.mark.parametrize("what", RECORDS)
def test_each_type_is_asked_for_and_answered(what: str) -> None:
    rtype, rdata = RECORDS[what]
    assert any(name.startswith(f"a query for {what} ") for name in well_formed())
    assert well_formed()[f"an answer of {what}"].endswith(len(rdata).to_bytes(2) + rdata)
    assert well_formed()[f"an answer of {what}"].count(rtype.to_bytes(2)) >= 2
