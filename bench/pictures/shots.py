"""Which pictures there are, and how one is taken: a page in a headless Chromium, at one moment of the scene."""

import base64
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final

from bench.pictures.png import indexed
from tests.e2e.devtools import Tab

DIRECTORY: Final = Path(__file__).parents[2] / "docs" / "images"
MOST_BYTES: Final = 100_000
"""Of one file: every clone has all of them, for ever."""
CONSOLE: Final = "console"
"""The operator's page; all others are paths of the public pages."""


class Moment(StrEnum):
    """When a picture is taken."""

    QUIET = "quiet"
    """Members browse, and nobody else is there."""
    FLOOD = "flood"
    """A public list has named the service, and whoever is on duty has announced it."""
    OUTAGE = "outage"
    """No upstream can be reached any more."""


@dataclass(frozen=True, slots=True)
class Picture:
    """One file of docs/images."""

    name: str
    moment: Moment | None
    """None: of a service of its own, at any moment."""
    page: str
    width: int
    height: int
    is_dark: bool = False

    @property
    def file(self) -> str:
        """The name of the file."""
        return f"{self.name}.png"


PICTURES: Final = (
    Picture("console-quiet", Moment.QUIET, CONSOLE, 1_280, 900),
    Picture("console-flood", Moment.FLOOD, CONSOLE, 1_280, 900),
    Picture("console-phone", Moment.FLOOD, CONSOLE, 390, 844, is_dark=True),
    Picture("status-well", Moment.QUIET, "/en", 900, 900),
    Picture("status-limited", Moment.FLOOD, "/en", 900, 900),
    Picture("status-phone", Moment.FLOOD, "/fr", 320, 760, is_dark=True),
    Picture("status-outage", Moment.OUTAGE, "/fr", 900, 900),
)
DRAWING: Final = "panels.svg"
"""What the panels of the dashboard show; `panels` draws it."""

_PIXELS: Final = """(async () => {
const image = new Image(); image.src = 'data:image/png;base64,%s'; await image.decode();
const { width, height } = image, canvas = new OffscreenCanvas(width, height).getContext('2d');
canvas.drawImage(image, 0, 0);
const reader = new FileReader(); reader.readAsDataURL(new Blob([canvas.getImageData(0, 0, width, height).data]));
await new Promise((done) => reader.addEventListener('load', done));
return [width, reader.result.slice(reader.result.indexOf(',') + 1)]; })()"""


async def take(picture: Picture, tab: Tab, painter: Tab, directory: Path) -> None:
    """Save what a tab shows as this picture; `painter` is an empty tab, which reads the pixels."""
    file = directory / picture.file
    await tab.send("Page.bringToFront")
    await tab.be(picture.width, picture.height, dark=picture.is_dark)
    await tab.run("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => done())))")
    await tab.picture(file)
    width, pixels = await painter.run(_PIXELS % base64.b64encode(file.read_bytes()).decode("ascii"))
    file.write_bytes(indexed(base64.b64decode(pixels), width))
