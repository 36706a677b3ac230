"""Make the pictures of the documentation anew: `python -m bench pictures`, in three minutes.

They show a service over which the flood of September 2019 comes, at three moments of it, in a headless Chromium; and
what the panels of the dashboard have of it, from a Prometheus that watches. Look at each before you commit it.
`--quick` makes them as soon as they can be made, without the panels.
"""

import argparse
import asyncio
import shutil
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Final

from bench.pictures.panels import STEP_SECONDS, draw, read_panels
from bench.pictures.scene import FULL, QUICK, Pace, Scene, scene
from bench.pictures.setup import make_setup
from bench.pictures.shots import CONSOLE, DIRECTORY, DRAWING, PICTURES, Moment, Picture, take
from bench.processes import raise_descriptor_limit
from tests.e2e.devtools import Tab, browsing
from tests.e2e.monitoring import monitoring

SECONDS: Final = 240.0
"""That the members browse and the strangers come at most; all of it is ended when the last picture is taken."""


def main() -> None:
    """Make them and say what they weigh."""
    parser = argparse.ArgumentParser(prog="python -m bench pictures", description=__doc__.partition("\n")[0])
    parser.add_argument("--to", type=Path, default=DIRECTORY, help="the directory; else docs/images")
    parser.add_argument("--quick", action="store_true", help="no longer than it takes, and no panels")
    options = parser.parse_args()
    raise_descriptor_limit()
    make_setup(options.to, find_program("chromium", "chromium"))
    make(options.to, QUICK if options.quick else FULL, PICTURES, with_panels=not options.quick)
    for file in sorted(options.to.iterdir()):
        print(f"{file.name:24}{file.stat().st_size:8,} bytes")


def make(to: Path, pace: Pace, pictures: Sequence[Picture], *, with_panels: bool) -> None:
    """Play the scene as far as these pictures need it, and save them in a directory."""
    with tempfile.TemporaryDirectory(prefix="dohproxy-pictures-") as name, scene(Path(name), SECONDS) as playing:
        directory = Path(name)
        if not with_panels:
            asyncio.run(_play(playing, directory, to, pace, pictures))
            return
        with monitoring(
            directory, find_program, metrics_ports=[playing.proxy.metrics_port], probed=playing.proxy.url, waits={}
        ) as watching:
            began = time.time()
            moments = asyncio.run(_play(playing, directory, to, pace, pictures))
            ended = time.time()
            panels = read_panels(lambda asked: watching.prometheus.range(asked, began, ended, STEP_SECONDS), began)
        (to / DRAWING).write_text(draw(panels, ended - began, moments), encoding="utf-8")


def find_program(name: str, debian_package: str) -> str:
    """Return where a program is, or end naming the Debian package that has it."""
    found = shutil.which(name)
    if found is None:
        raise SystemExit(f"{name} is not installed; on Debian: apt-get install {debian_package}")
    return found


async def _play(
    playing: Scene, directory: Path, to: Path, pace: Pace, pictures: Sequence[Picture]
) -> Mapping[str, float]:
    """Take each picture at its moment; return when flood and outage began, in seconds since the beginning."""
    began, moments = time.monotonic(), {}
    last = max(list(Moment).index(picture.moment) for picture in pictures if picture.moment is not None)
    async with AsyncExitStack() as stack:
        browser = await stack.enter_async_context(browsing(find_program("chromium", "chromium"), directory))
        painter, public, console = [await stack.enter_async_context(browser.tab()) for _ in range(3)]
        # A page that nobody sees asks for nothing, and then there is nothing to draw.
        await console.send("Emulation.setFocusEmulationEnabled", enabled=True)
        # A page that a browser may keep for half a minute would be of the moment before.
        await public.send("Network.setCacheDisabled", cacheDisabled=True)
        await console.be(1_280, 900)
        await console.open((await playing.ask("console"))["url"])
        await console.until("!document.getElementById('board').hidden", "the page")
        for moment in list(Moment)[: last + 1]:
            if moment is Moment.QUIET:
                await asyncio.sleep(pace.quiet)
            else:
                moments[moment.value] = time.monotonic() - began
                await (playing.begin_flood() if moment is Moment.FLOOD else playing.lose_upstreams())
            if moment is Moment.FLOOD:
                await asyncio.sleep(pace.flood)
            for picture in pictures:
                if picture.moment is moment:
                    await _show(picture, console, public, playing)
                    await take(picture, console if picture.page == CONSOLE else public, painter, to)
    return moments


async def _show(picture: Picture, console: Tab, public: Tab, playing: Scene) -> None:
    if picture.page == CONSOLE:
        state = "well" if picture.moment is Moment.QUIET else "bad"
        await console.until(f"document.getElementById('headline').dataset.state === '{state}'", f"that it is {state}")
    else:
        await public.open(f"http://127.0.0.1:{playing.proxy.port}{picture.page}")


if __name__ == "__main__":
    main()
