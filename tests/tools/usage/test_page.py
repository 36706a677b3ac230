"""The report as a page: whole, alone, and nothing in it but what was written by us."""

import re
from collections import Counter
from dataclasses import replace
from datetime import timedelta
from html.parser import HTMLParser

import pytest

from dohproxy.tools.usage.page import _round_up, _short, render
from dohproxy.tools.usage.sheet import sheet_of
from dohproxy.tools.usage.summary import summarise
from tests.tools.usage.test_sheet import AT, sheet
from tests.tools.usage.test_summary import SINCE, WEEK, hour

VOID = {"meta", "rect", "line"}


class Elements(HTMLParser):
    """Counts elements, and insists that each is closed by its own end."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.count: Counter[str] = Counter()
        self.attributes: list[tuple[str, str | None]] = []
        self._open: list[str] = []
        self.feed(page)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.count[tag] += 1
        self.attributes += attrs
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.count[tag] += 1
        self.attributes += attrs

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag


PAGE = render(sheet(requests=1_000, failed=20, outcome_cached=1_000, networks_day=60, alerts_listed=1))


def test_it_is_one_whole_document() -> None:
    found = Elements(PAGE)
    assert PAGE.startswith("<!doctype html>\n")
    assert (found.count["html"], found.count["svg"], found.count["h1"]) == (1, 1, 1)
    assert found.count["rect"] == 8  # a bar a day, and the unanswered of the one
    assert found.count["h2"] == found.count["table"] == found.count["section"]


def test_it_needs_nothing_else_and_runs_nothing() -> None:
    found = Elements(PAGE)
    assert not {"script", "link", "img", "iframe", "object", "form", "base"} & set(found.count)
    assert not re.search(r"https?:|url\(|@import|javascript:", PAGE)
    assert [name for name, _ in found.attributes if name.startswith("on") or name in ("src", "href", "style")] == []


def test_it_is_for_day_and_night_and_for_paper() -> None:
    for words in ("color-scheme: light dark", "prefers-color-scheme: dark", "@media print"):
        assert words in PAGE


def test_what_others_have_written_is_escaped() -> None:
    evil = '<script>alert("x")</script>&\'"'
    page = render(replace(sheet(requests=1), title=evil, span=evil, remarks=(evil,)))
    assert "<script" not in page
    assert Elements(page).count["script"] == 0
    assert page.count("&lt;script&gt;") == 5


def test_every_bar_says_its_numbers() -> None:
    assert "<title>2026-11-24: 1,000 requests, 20 not answered, 60 networks</title>" in PAGE


def test_bars_stay_within_the_picture() -> None:
    rows = [hour(number, requests=number * 977, failed=number) for number in range(48)]
    found = summarise(rows, SINCE, SINCE + timedelta(days=2))
    page = render(sheet_of(found, found, "x", AT))
    for x, y, width, height in re.findall(
        r'<rect[^>]* x="([\d.]+)" y="([\d.]+)" width="([\d.]+)" height="([\d.]+)"', page
    ):
        assert 64 <= float(x) <= float(x) + float(width) <= 720
        assert 11 <= float(y) <= float(y) + float(height) <= 192.1
    assert 1 < page.count('text-anchor="middle"') <= 12


def test_an_empty_week_has_no_picture() -> None:
    nothing = summarise([], SINCE, SINCE + WEEK)
    assert Elements(render(sheet_of(nothing, nothing, "x", AT))).count["svg"] == 0


@pytest.mark.parametrize(("number", "rounded"), [(0, 4), (1, 1), (3, 4), (9, 10), (41, 60), (100, 100), (977, 1_000)])
def test_the_scale_ends_at_a_round_number(number: int, rounded: int) -> None:
    assert _round_up(number) == rounded


@pytest.mark.parametrize(("number", "text"), [(0, "0"), (9_500, "9,500"), (45_000, "45 k"), (2_500_000, "2.5 M")])
def test_large_numbers_are_short(number: float, text: str) -> None:
    assert _short(number) == text
