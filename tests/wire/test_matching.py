"""Which packet is the reply to a query of ours."""

import pytest

from dohproxy.wire.matching import is_reply_to, is_reply_without_question, repeats_case
from tests.wire import messages as m

VARIED = m.question(m.name("wWw.eXample.NET"))


@pytest.mark.parametrize(("asked", "expected"), [(VARIED, True), (m.question(), False)], ids=["ours", "another"])
def test_it_is_seen_whether_a_reply_repeats_our_case(asked: bytes, *, expected: bool) -> None:
    assert is_reply_to(m.answer(m.record(), asked=asked), 0x1234, VARIED)
    assert repeats_case(m.answer(m.record(), asked=asked), VARIED) is expected


def test_a_reply_about_type_97_is_none_to_type_65_though_their_bytes_differ_by_case() -> None:
    assert not is_reply_to(m.answer(asked=m.question(qtype=97)), 0x1234, m.question(qtype=65))


@pytest.mark.parametrize(
    ("wire", "expected"),
    [
        (m.answer(), True),
        (m.answer(m.record()), True),
        (m.answer(asked=m.question(m.name("www.EXAMPLE.net"))), True),
        (m.query(), False),
        (m.message(m.QR, [m.question()], identifier=0x1235), False),
        (m.message(m.QR, [m.question(m.name("xww.example.net"))]), False),
        (m.message(m.QR, [m.question(qtype=28)]), False),
        (m.message(m.QR, [m.question(qclass=3)]), False),
        (m.message(m.QR, [m.question(), m.question()]), False),
        (m.message(m.QR, []), False),
        (m.answer()[:-1], False),
        (b"", False),
    ],
    ids=[
        "the empty reply",
        "a reply with a record",
        "the question in another case",
        "our own query",
        "another ID",
        "another name",
        "another type",
        "another class",
        "two questions",
        "no question",
        "a byte too few",
        "nothing",
    ],
)
def test_a_packet_is_the_reply_only_with_our_id_and_our_question(wire: bytes, expected: bool) -> None:
    assert is_reply_to(wire, 0x1234, m.question()) is expected


@pytest.mark.parametrize(
    ("wire", "expected"),
    [
        (m.message(m.QR | 5, []), True),
        (m.message(m.QR | 5, [], [], [], [m.opt()]), True),
        (m.message(m.QR | 5, [m.question()])[:12], True),
        (m.message(m.QR | 5, [m.question()]), False),
        (m.message(5, []), False),
        (m.message(m.QR | 5, [], identifier=0x1235), False),
        (m.message(m.QR | 5, [])[:11], False),
    ],
    ids=[
        "a header",
        "one with an OPT",
        "one with the count of the query",
        "with the question",
        "no reply",
        "another ID",
        "a byte too few",
    ],
)
def test_a_reply_without_a_question_is_known_by_its_id(wire: bytes, expected: bool) -> None:
    assert is_reply_without_question(wire, 0x1234) is expected
