"""When a response may be given again."""

from dataclasses import replace

import pytest

from dohproxy.cache import Entry
from dohproxy.cache.entry import Span, make_entry
from dohproxy.doh.dialects import Dialect
from dohproxy.outcomes import Frontend, Reason, Reply
from dohproxy.parsed_request import LONGEST_REPEATED, Answered, ParsedRequest
from tests.upstream.test_attempts import GOOD

REPLY = Reply(b"", Reason.CACHED, 0)


def entry(*, is_kept: bool = True) -> Entry:
    made = make_entry(b"key", replace(GOOD, records=b""), 0.0, Span(300, 0, 300, 0, 270.0))
    if is_kept:
        made.keep(1)
    return made


@pytest.mark.parametrize(
    ("now", "is_kept", "holds"),
    [
        pytest.param(9.9, True, True, id="before its end"),
        pytest.param(10.0, True, False, id="at its end"),
        pytest.param(9.9, False, False, id="once the cache has something else"),
    ],
)
def test_a_response_from_the_cache_holds(now: float, *, is_kept: bool, holds: bool) -> None:
    source = entry(is_kept=is_kept)
    assert Answered(REPLY, lambda _: None, 10.0, source).holds(now) is holds
    assert not holds or source.hits == 1


def test_one_from_elsewhere_holds_to_its_end() -> None:
    answered = Answered(REPLY, lambda _: None, 10.0, None)
    assert [answered.holds(now) for now in (9.9, 10.0)] == [True, False]


@pytest.mark.parametrize(("size", "is_kept"), [(100, True), (LONGEST_REPEATED, True), (LONGEST_REPEATED + 1, False)])
def test_what_is_long_is_made_anew_each_time(size: int, *, is_kept: bool) -> None:
    parsed = ParsedRequest(Frontend.HTTP1, 1, "GET", Dialect.RFC_GET)
    parsed.keep(Answered(REPLY, lambda _: None, 10.0))
    answered = Answered(Reply(bytes(size), Reason.CACHED, 0), lambda _: None, 10.0)
    parsed.keep(answered)
    assert (parsed.answered is answered) is is_kept
    assert (parsed.answered is None) is not is_kept
