"""Charts of a day."""

import re
import xml.etree.ElementTree as ET

import pytest

from dohproxy.pages.chart import HEIGHT, bars, curve

Values = list[float | None]


@pytest.mark.parametrize("draw", [bars, curve])
@pytest.mark.parametrize(
    "values",
    [
        pytest.param([], id="nothing at all"),
        pytest.param([None] * 96, id="no figures"),
        pytest.param([0.0] * 96, id="nothing asked"),
        pytest.param([5.0], id="one"),
        pytest.param([1e-9, None, 1e9, 3.0], id="very small and very large"),
        pytest.param([float(number) for number in range(96)], id="a day"),
    ],
)
def test_a_chart_is_xml_with_words_and_stays_within_its_frame(draw: object, values: Values) -> None:
    assert callable(draw)
    found = ET.fromstring(draw(values, "What", "About <it> & so"))  # noqa: S314 - it is ours
    assert found.get("role") == "img"
    assert found.get("aria-label") == "What. About <it> & so"
    assert (found[0].text, found[1].text) == ("What", "About <it> & so")
    drawn = found[2].get("d") or ""
    assert "nan" not in drawn
    for height in re.findall(r"[ML][\d.]+ ([\d.]+)", drawn):
        assert 0 <= float(height) <= HEIGHT
    for height in re.findall(r"v-([\d.]+)", drawn):
        assert 0 < float(height) <= HEIGHT


def test_what_is_little_is_seen_and_what_is_nothing_is_not() -> None:
    assert bars([1_000_000.0, 1.0, 0.0, None], "", "").count("v-") == 2


def test_a_curve_is_interrupted_where_nobody_looked() -> None:
    drawn = curve([1.0, 2.0, None, 3.0], "", "")
    assert drawn.count("L") == 1
    assert len(re.findall(r"M\d+ [\d.]+h4", drawn)) == 2
