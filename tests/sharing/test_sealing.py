"""What is sealed can be opened by nodes with the secret alone, and only where it belongs."""

import pytest

from dohproxy.sharing.keys import Keys
from dohproxy.sharing.sealing import DAY_SECONDS, OVERHEAD_BYTES, Seal
from tests.fakes.store import SECRET

NOW = 1_800_000_000.0


def seal(secret: bytes = SECRET, purpose: str = "answers") -> Seal:
    """Return a seal of one node."""
    return Seal(Keys("dohproxy", secret), purpose)


def test_another_node_opens_what_one_has_sealed() -> None:
    assert seal().open(seal().seal(b"plain", b"about", NOW), b"about") == b"plain"


def test_nothing_of_it_can_be_read_and_no_two_are_alike() -> None:
    one, other = (seal().seal(b"example.net", b"about", NOW) for _ in range(2))
    assert b"example" not in one
    assert one != other
    assert len(one) == len(b"example.net") + OVERHEAD_BYTES


@pytest.mark.parametrize("place", range(OVERHEAD_BYTES + 5))
def test_one_changed_bit_anywhere_makes_it_worthless(place: int) -> None:
    sealed = bytearray(seal().seal(b"plain", b"about", NOW))
    sealed[place] ^= 1
    assert seal().open(bytes(sealed), b"about") is None


def test_it_is_worthless_in_another_place() -> None:
    assert seal().open(seal().seal(b"plain", b"here", NOW), b"there") is None


def test_it_is_worthless_to_another_purpose_and_to_another_secret() -> None:
    sealed = seal().seal(b"plain", b"about", NOW)
    assert seal(purpose="events").open(sealed, b"about") is None
    assert seal(SECRET[::-1]).open(sealed, b"about") is None


@pytest.mark.parametrize("found", [None, b"", b"\x01" * 10, "text", 7, [b"a"], b"\x02" * 60])
def test_what_was_never_sealed_is_worthless(found: object) -> None:
    assert seal().open(found, b"about") is None


def test_what_was_sealed_on_other_days_is_opened_too() -> None:
    one = seal()
    kept = [one.seal(b"%d" % day, b"", NOW + day * DAY_SECONDS) for day in range(8)]
    assert [one.open(sealed, b"") for sealed in kept] == [b"%d" % day for day in range(8)]
