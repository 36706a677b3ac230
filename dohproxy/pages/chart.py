"""Charts of a day as SVG within a page: bars and a curve, told apart by their shape, and each with its words for who
does not see it."""

from collections.abc import Sequence
from typing import Final

from dohproxy.pages.markup import Markup, element, empty, join

HEIGHT: Final = 60
STEP: Final = 5
"""Units across for one quarter of an hour; the picture is as wide as the page, whatever that is."""
_LEAST_BAR: Final = 0.6
"""Units up of a bar for something, however little: nothing at all has none."""


def bars(values: Sequence[float | None], title: str, about: str) -> Markup:
    """Return a chart with a bar for each value, and none for None."""
    most = max((value for value in values if value is not None), default=0.0)
    path = []
    for number, value in enumerate(values):
        if value:
            height = max(_LEAST_BAR, (HEIGHT - 2) * value / most)
            path.append(f"M{number * STEP + STEP // 2} {HEIGHT}v-{_short(height)}")
    return _svg(len(values), title, about, empty("path", class_="bars", d="".join(path)))


def curve(values: Sequence[float | None], title: str, about: str) -> Markup:
    """Return a chart with a curve through the values, interrupted where there is None."""
    most = max((value for value in values if value is not None), default=0.0) or 1.0
    path, is_drawing = [], False
    for number, value in enumerate(values):
        if value is None:
            is_drawing = False
            continue
        height = HEIGHT - 1 - (HEIGHT - 3) * value / most
        if is_drawing:
            path.append(f"L{number * STEP} {_short(height)}")
        else:
            # A value alone is a dash of its own.
            path.append(f"M{number * STEP} {_short(height)}h{STEP - 1}")
        is_drawing = True
    return _svg(len(values), title, about, empty("path", class_="curve", d="".join(path)))


def _svg(count: int, title: str, about: str, drawn: Markup) -> Markup:
    width = count * STEP
    base = empty("path", class_="base", d=f"M0 {HEIGHT}h{width}")
    inside = join(element("title", title), element("desc", about), drawn, base)
    return element(
        "svg",
        inside,
        class_="chart",
        viewBox=f"0 0 {width} {HEIGHT}",
        preserveAspectRatio="none",
        role="img",
        aria_label=f"{title}. {about}",
    )


def _short(number: float) -> str:
    return f"{number:.1f}".rstrip("0").rstrip(".")
