"""The pictures of the documentation: each that a page names is there and made by the command, small, and of its size;
and what makes them: pixels into files, and lines into a drawing."""

import re
import xml.etree.ElementTree as ET
import zlib
from pathlib import Path

import pytest

from bench.pictures.panels import Line, Panel, draw, in_unit, read_panels
from bench.pictures.png import MOST_COLOURS, indexed, size_of
from bench.pictures.scene import USUAL, past, write_past
from bench.pictures.setup import VIEWS
from bench.pictures.shots import DIRECTORY, DRAWING, MOST_BYTES, PICTURES, Moment, Picture
from dohproxy.jobs.state_codec import decode
from dohproxy.jobs.state_file import NAME as STATE_NAME
from dohproxy.jobs.state_key import open_key
from dohproxy.pages.day import QUARTERS, Day
from dohproxy.pages.incidents import IncidentBook, Level

ROOT = Path(__file__).parents[2]
ALL = (*PICTURES, *(view.picture for view in VIEWS))
MADE = {picture.file for picture in ALL} | {DRAWING}
NOW = 1_800_000_000.0
RED, BLUE = b"\xff\x00\x00\xff", b"\x00\x00\xff\xff"


# --- What the documentation shows ---


def named() -> set[str]:
    """The pictures that the pages show."""
    pages = [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]
    return {name for page in pages for name in re.findall(r"\]\([\w./]*images/([\w.-]+)\)", page.read_text("utf-8"))}


def test_every_picture_that_a_page_names_is_made_by_the_command_and_every_one_that_is_made_is_shown() -> None:
    assert named() == MADE
    assert {file.name for file in DIRECTORY.iterdir()} == MADE


@pytest.mark.parametrize("picture", ALL, ids=lambda picture: picture.name)
def test_a_picture_has_its_size_and_is_small(picture: Picture) -> None:
    content = (DIRECTORY / picture.file).read_bytes()
    assert size_of(content) == (picture.width, picture.height)
    assert len(content) < MOST_BYTES


def test_the_drawing_is_small_and_loads_nothing_and_has_every_panel() -> None:
    content = (DIRECTORY / DRAWING).read_text(encoding="utf-8")
    assert len(content.encode()) < MOST_BYTES
    assert "href" not in content
    titles = [panel.title for panel in read_panels(lambda _: [], 0.0)]
    assert [title for title in titles if f">{title}<" not in content] == []


def test_each_moment_has_a_picture_and_both_languages_are_there() -> None:
    assert {picture.moment for picture in PICTURES} == set(Moment)
    assert {picture.page for picture in PICTURES} >= {"/en", "/fr"}


# --- Pixels ---


def rows(file: bytes) -> tuple[list[bytes], list[bytes]]:
    """The palette, and the rows of places in it, read as somebody else reads them."""
    chunks, place = {}, 8
    while place < len(file):
        length = int.from_bytes(file[place : place + 4], "big")
        kind, content = file[place + 4 : place + 8], file[place + 8 : place + 8 + length]
        assert int.from_bytes(file[place + 8 + length : place + 12 + length], "big") == zlib.crc32(kind + content)
        chunks[kind] = content
        place += 12 + length
    width, _ = size_of(file)
    colours = chunks[b"PLTE"]
    raw = zlib.decompress(chunks[b"IDAT"])
    lines = [raw[first : first + width + 1] for first in range(0, len(raw), width + 1)]
    assert {line[0] for line in lines} == {0}
    return [colours[first : first + 3] for first in range(0, len(colours), 3)], [line[1:] for line in lines]


def test_pixels_come_back_as_they_were_where_there_are_few_colours() -> None:
    file = indexed(RED * 3 + BLUE * 3, 3)
    assert size_of(file) == (3, 2)
    palette, lines = rows(file)
    assert [[palette[place] for place in line] for line in lines] == [[RED[:3]] * 3, [BLUE[:3]] * 3]


def test_a_colour_too_many_becomes_the_one_that_is_most_like_it() -> None:
    shades = [bytes((20 * (shade % 12), 20 * (shade // 12), 0, 255)) for shade in range(MOST_COLOURS)]
    palette, lines = rows(indexed(b"".join(shades) * 2 + bytes((45, 5, 90, 255)), 1))
    assert len(palette) == MOST_COLOURS
    assert palette[lines[-1][0]] == bytes((40, 0, 0))


def test_a_thin_line_of_another_colour_keeps_it_beside_shades_that_nobody_tells_apart() -> None:
    shades = b"".join(bytes((shade, shade, shade, 255)) * 9 for shade in range(256))
    palette, lines = rows(indexed(shades + RED, 1))
    assert palette[lines[-1][0]] == RED[:3]
    assert all(abs(palette[line[0]][0] - number // 9) <= 10 for number, line in enumerate(lines[:-1]))


def test_what_is_no_picture_has_no_size() -> None:
    with pytest.raises(ValueError, match="no PNG"):
        size_of(b"GIF89a" + bytes(20))


# --- What was before ---


def test_the_past_is_what_a_service_takes_for_its_own(tmp_path: Path) -> None:
    write_past(tmp_path, NOW)
    saved = decode((tmp_path / STATE_NAME).read_bytes(), open_key(tmp_path))
    assert (saved.is_last, saved.saved_at, saved.values["usual"]) == (True, NOW, USUAL)
    day, incidents = Day(NOW), IncidentBook(NOW)
    day.restore(past(NOW))
    incidents.restore(past(NOW), NOW)
    assert [quarter for quarter in day.quarters(NOW) if quarter is None] == []
    assert len(day.quarters(NOW)) == QUARTERS
    assert (incidents.level, len(incidents.incidents)) == (Level.WELL, 2)


# --- The drawing ---


def test_panels_are_asked_of_prometheus_as_the_dashboard_asks() -> None:
    asked: list[str] = []

    def ask(expression: str) -> list[dict[str, object]]:
        asked.append(expression)
        labels = {"outcome": "cached"}
        return [
            {"metric": labels, "values": [[100.0, "1"], [103.0, "NaN"], [106.0, "3"]]},
            {"metric": {"outcome": "stale"}, "values": [[100.0, "0"]]},
        ]

    panels = read_panels(ask, 100.0)
    assert not any("$" in expression for expression in asked)
    [requests] = [panel for panel in panels if panel.title == "Requests by outcome"]
    # A line of zeros is none.
    assert requests.lines == [Line("cached", [(0.0, 1.0), (6.0, 3.0)])]


def test_a_drawing_is_well_formed_and_names_what_it_draws() -> None:
    lines = [Line(f"a<b {number}", [(0.0, 0.0), (10.0, float(number))]) for number in range(7, 0, -1)]
    drawn = draw([Panel("One & two", "reqps", lines), Panel("Nothing", "s", [])], 10.0, {"flood": 5.0})
    texts = [element.text for element in ET.fromstring(drawn).iter() if element.text and element.text.strip()]  # noqa: S314
    assert texts.count("flood") == 2
    assert {"One & two", "a<b 7, ≤ 7/s", "and 2 more", "nothing but zero", "10/s"} <= set(texts)
    assert drawn.count("<polyline") == 7


@pytest.mark.parametrize(
    ("value", "unit", "words"),
    [
        (0.5, "percentunit", "50 %"),
        (0.0042, "s", "4.2 ms"),
        (2.5, "s", "2.5 s"),
        (0.0, "s", "0 s"),
        (1_234.0, "reqps", "1.23k/s"),
        (3.0, "short", "3"),
    ],
)
def test_values_stand_in_their_unit(value: float, unit: str, words: str) -> None:
    assert in_unit(value, unit) == words
