"""Which language a browser is shown."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dohproxy.pages.document import Language
from dohproxy.pages.languages import LONGEST_FIELD, choose

EN, FR = Language.ENGLISH, Language.FRENCH


@pytest.mark.parametrize(
    ("field", "language"),
    [
        pytest.param("fr", FR, id="the one that is named"),
        pytest.param("fr-CH, fr;q=0.9, en;q=0.8, de;q=0.7, *;q=0.5", FR, id="a region of it"),
        pytest.param("en-US,en;q=0.5", EN, id="the other one"),
        pytest.param("en;q=0.3, fr;q=0.8", FR, id="the one with more weight"),
        pytest.param("fr;q=0.5, en;q=0.5", FR, id="of equal ones the first"),
        pytest.param("FR ; Q=0.9 , EN;q=0.1", FR, id="whatever the letters and blanks"),
        pytest.param("de, fr;q=0.1", FR, id="the only one that there is"),
        pytest.param("\tfr", FR, id="after a tab"),
    ],
)
def test_the_language_that_is_wanted_most(field: str, language: Language) -> None:
    assert choose(field, EN) is language
    assert choose(field, FR) is language


@pytest.mark.parametrize(
    "field",
    [
        pytest.param(None, id="nothing said"),
        pytest.param("", id="nothing in it"),
        pytest.param("de, it;q=0.8", id="other languages"),
        pytest.param("*", id="any"),
        pytest.param("fr;q=0, en;q=0", id="neither"),
        pytest.param("fr;q=2, en;q=9", id="weights that there are none of"),
        pytest.param("fr;q=nan, en;q=inf", id="weights that are no numbers"),
        pytest.param(";;;,,,===", id="no field at all"),
        pytest.param("\x00\xff<script>", id="hostile bytes"),
        pytest.param("x" * 8_000, id="a long word"),
        pytest.param("de," * 20 + "fr,en", id="behind more than any browser sends"),
    ],
)
@pytest.mark.parametrize("default", Language)
def test_whoever_wants_neither_gets_the_operators_choice(field: str | None, default: Language) -> None:
    assert choose(field, default) is default


@pytest.mark.parametrize(
    "pattern", ["fr-" + "a" * 500, "fr" + " " * 500 + "x", "a;q=" + "0." * 200, "-" * 512, "," * 512]
)
def test_no_field_takes_long(pattern: str) -> None:
    before = time.process_time()
    for _ in range(200):
        choose((pattern * 20)[: 4 * LONGEST_FIELD], EN)
    assert time.process_time() - before < 0.5  # 2.5 ms each; it takes some microseconds.


@given(st.text(st.sampled_from('enfrd*-,;=q.019 \t"\x00é'), max_size=600) | st.text(max_size=600))
def test_any_text_is_a_language(field: str) -> None:
    assert choose(field, FR) in Language
