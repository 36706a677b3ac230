"""Names, texts, dates and addresses of a blocklist as they are written."""

from datetime import date
from pathlib import Path
from typing import Any

import pytest

from dohproxy.config.addresses import Unusable
from dohproxy.config.blocklist_values import (
    MOST_TEXT_BYTES,
    end_of,
    parse_last_day,
    parse_listed_name,
    parse_plain_address,
    parse_public_text,
)

HERE = Path()


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("ads.example.net", "ads.example.net"),
        ("ADS.example.net.", "ads.example.net"),
        ("*.Ads.example", "*.ads.example"),
        ("com", "com"),
    ],
)
def test_a_name_stands_for_itself_or_for_all_below_it(text: str, name: str) -> None:
    assert parse_listed_name(text, HERE) == name


@pytest.mark.parametrize(
    "text", ["", ".", "*", "*.", "a b", "bücher.example", "192.0.2.1", "2001:db8::1", "*.*.example"]
)
def test_what_is_no_name_is_refused(text: str) -> None:
    with pytest.raises(Unusable):
        parse_listed_name(text, HERE)


def test_a_public_text_is_one_line_that_fits_an_answer() -> None:
    assert parse_public_text("Sperre per Gerichtsbeschluss, § 7", HERE) == "Sperre per Gerichtsbeschluss, § 7"
    assert parse_public_text("x" * MOST_TEXT_BYTES, HERE)


@pytest.mark.parametrize("text", ["", "  ", "two\nlines", "\x1b[31mred", "x" * 161, "ä" * 81, "right\u202eleft"])
def test_what_a_client_could_not_show_is_no_public_text(text: str) -> None:
    with pytest.raises(Unusable):
        parse_public_text(text, HERE)


def test_a_day_is_over_at_the_end_of_it_in_utc() -> None:
    assert end_of(parse_last_day("2027-05-31", HERE)) == 1_811_808_000.0
    assert parse_last_day("2028-02-29", HERE) == date(2028, 2, 29)


@pytest.mark.parametrize("text", ["2027-02-29", "31.05.2027", "20270531", "2027-W05-1", "", "2027-5-31"])
def test_what_is_no_day_is_refused_with_one_that_is(text: str) -> None:
    with pytest.raises(Unusable, match="2027-03-31"):
        parse_last_day(text, HERE)


@pytest.mark.parametrize(("text", "packed"), [("192.0.2.80", bytes([192, 0, 2, 80])), ("::1", bytes(15) + b"\x01")])
def test_an_address_stands_alone(text: str, packed: bytes) -> None:
    assert parse_plain_address(text, HERE).packed == packed


@pytest.mark.parametrize("text", ["", "[::1]", "192.0.2.80:80", "192.0.2.0/24", "www.example.net"])
def test_what_is_no_address_is_refused(text: Any) -> None:
    with pytest.raises(Unusable):
        parse_plain_address(text, HERE)
