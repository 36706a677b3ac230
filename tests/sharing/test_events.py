"""Events as they are written, and what is left alone."""

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dohproxy.sharing.events import MOST_BYTES, Event, Kind, Unread, decode, encode

ORIGIN = "00112233aabbccdd"
EVENT = Event(Kind.NAME, "bad.example", 1_700_000_000_000, ORIGIN, math.inf, {"is_block": True, "text": "ö"})


def events() -> st.SearchStrategy[Event]:
    """Return all that can be written."""
    said = st.none() | st.dictionaries(
        st.text(max_size=8), st.integers() | st.text(max_size=20) | st.none(), max_size=4
    )
    return st.builds(
        Event,
        st.sampled_from(Kind),
        st.text(max_size=100),
        st.integers(0, 10**14),
        st.just(ORIGIN),
        st.just(math.inf) | st.integers(0, 10**9).map(float),
        said,
    )


@given(events())
def test_what_is_written_is_read_as_it_was(event: Event) -> None:
    assert decode(encode(event)) == event


def test_an_event_that_is_too_long_is_not_written() -> None:
    with pytest.raises(ValueError, match="4"):
        encode(Event(Kind.NAME, "a", 1, ORIGIN, math.inf, {"text": "a" * MOST_BYTES}))


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"v": 2}, Unread.NEWER),
        ({"v": 2, "subject": 7}, Unread.NEWER),
        ({"kind": "weather"}, Unread.UNKNOWN),
        ({"v": 0}, Unread.UNFIT),
        ({"v": True}, Unread.UNFIT),
        ({"kind": 1}, Unread.UNFIT),
        ({"subject": 1}, Unread.UNFIT),
        ({"subject": "a" * 301}, Unread.UNFIT),
        ({"stamp": -1}, Unread.UNFIT),
        ({"stamp": 1.5}, Unread.UNFIT),
        ({"stamp": 10**30}, Unread.UNFIT),
        ({"origin": "short"}, Unread.UNFIT),
        ({"until": "later"}, Unread.UNFIT),
        ({"until": math.inf}, Unread.UNFIT),
        ({"until": math.nan}, Unread.UNFIT),
        ({"said": []}, Unread.UNFIT),
    ],
)
def test_what_could_not_have_been_written_here_is_left_alone(changes: dict[str, object], why: Unread) -> None:
    assert decode(json.dumps(json.loads(encode(EVENT)) | changes).encode()) is why


@pytest.mark.parametrize("written", [b"", b"[]", b"\xff", b"[" * 3_000, b" " * (MOST_BYTES + 1) + b"{}"])
def test_what_is_no_event_is_left_alone(written: bytes) -> None:
    assert decode(written) is Unread.UNFIT


@given(st.binary(max_size=200))
def test_nothing_that_is_read_raises(written: bytes) -> None:
    assert isinstance(decode(written), Event | Unread)


def test_fields_that_a_later_release_adds_do_not_matter() -> None:
    assert decode(json.dumps(json.loads(encode(EVENT)) | {"mood": "good"}).encode()) == EVENT


def test_an_event_is_spent_when_it_was_taken_back_or_its_time_is_over() -> None:
    def of(said: dict[str, object] | None) -> Event:
        return Event(Kind.NETWORK, "a", 1, ORIGIN, math.inf, said)

    assert of(None).is_spent(0.0)
    assert of({"until": 10.0}).is_spent(10.0)
    assert not of({"until": 10.0}).is_spent(9.0)
    assert not of({"until": None}).is_spent(9.0)
