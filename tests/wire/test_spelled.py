"""Records that stand for themselves: every name spelled out, the rest as it was."""

import pytest

from dohproxy.wire.malformed import Fault, Malformed
from dohproxy.wire.spelled import SpelledRecords
from tests.wire import messages as m

MESSAGE = m.answer(m.record(15, b"\x00\x0a\x04mail" + m.pointer(16), ttl=0x8000_0001), m.record(ttl=7))
START = 12 + len(m.question())
MAIL = m.record(15, b"\x00\x0a" + m.name("mail.Example.net"), ttl=0x8000_0001, owner=m.name("www.Example.net"))
ADDRESS = m.record(ttl=7, owner=m.name("www.Example.net"))


def test_each_record_is_copied_and_its_ttl_found() -> None:
    spelled = SpelledRecords(MESSAGE, 1_000)
    owner, rtype, after = spelled.add(START)
    assert (owner, rtype) == (m.name("www.Example.net"), 15)
    assert spelled.add(after)[2] == len(MESSAGE)
    assert spelled.records == MAIL + ADDRESS
    assert spelled.ttls == [0, 7]
    assert [spelled.records[place : place + 4] for place in spelled.ttl_offsets] == [b"\x80\0\0\1", b"\0\0\0\7"]


@pytest.mark.parametrize(("room", "fits"), [(len(MAIL), True), (len(MAIL) - 1, False)], ids=["enough", "a byte less"])
def test_the_copies_have_a_limit(room: int, *, fits: bool) -> None:
    spelled = SpelledRecords(MESSAGE, room)
    if fits:
        spelled.add(START)
        return
    with pytest.raises(Malformed, match=Fault.COMPRESSION_WORK):
        spelled.add(START)
