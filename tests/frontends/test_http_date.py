"""The date is written as RFC 9110 wants it, and once a second."""

import email.utils
import re
import time

import pytest

from dohproxy.frontends.http_date import DATE_BYTES, http_date


def test_it_is_now_in_the_one_form_that_is_sent() -> None:
    before = int(time.time())
    date = http_date()
    assert re.fullmatch(r"(Mon|Tue|Wed|Thu|Fri|Sat|Sun), \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d GMT", date)
    assert len(date) == DATE_BYTES
    assert before <= email.utils.parsedate_to_datetime(date).timestamp() <= time.time()


def test_it_is_the_same_object_for_a_second_and_another_one_after(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 784_111_777.0
    monkeypatch.setattr(time, "time", lambda: now)
    first = http_date()
    assert first == "Sun, 06 Nov 1994 08:49:37 GMT"
    now += 0.9
    assert http_date() is first
    now += 0.2
    assert http_date() == "Sun, 06 Nov 1994 08:49:38 GMT"
