"""A text as a QR code (ISO/IEC 18004) in a page, for a telephone's camera."""

from collections.abc import Callable, Iterable, Iterator
from itertools import groupby
from typing import Final

from dohproxy.pages.markup import Markup, element, empty

Draw = Callable[[str], Markup]
"""Makes the picture, with words for readers who do not see it."""

_MODULE_PIXELS: Final = 5
"""Of one module of a code, so that a telephone reads it from a screen."""
_QUIET_MODULES: Final = 4
"""Light ones around a code (ISO/IEC 18004 section 6.3.8)."""


def qr_drawing(text: str) -> Draw:
    """Return what draws a text as a QR code (ISO/IEC 18004) ; drawing it again costs little."""
    # Imported here because it takes as long as many pages, and nobody else in the service has use for it.
    import segno

    code = segno.make_qr(text, error="m")
    size, _ = code.symbol_size(border=_QUIET_MODULES)
    drawn = "".join(_runs(code.matrix_iter(border=_QUIET_MODULES)))

    def draw(name: str) -> Markup:
        # Dark on light whatever the reader's colours are, as cameras expect it.
        light = empty("rect", width=str(size), height=str(size), fill="#fff")
        box = f"0 0 {size} {size}"
        pixels = str(_MODULE_PIXELS * size)
        return element(
            "svg",
            light,
            empty("path", d=drawn),
            viewBox=box,
            width=pixels,
            height=pixels,
            role="img",
            aria_label=name,
        )

    return draw


def _runs(rows: Iterable[Iterable[int]]) -> Iterator[str]:
    """Yield a path over the dark modules, row by row, those that stand together in one piece."""
    for y, row in enumerate(rows):
        x = 0
        for is_dark, run in groupby(row):
            length = sum(1 for _ in run)
            if is_dark:
                yield f"M{x} {y}h{length}v1h-{length}z"
            x += length
