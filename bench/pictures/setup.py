"""The members' page, as somebody has it who does not ask the service yet, and as a member has it who does.

Of a service of its own over TLS, as only by that the picture can be shown which says that it works.
"""

import asyncio
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bench.pictures.shots import Picture, take
from tests.e2e.certificates import CertificateAuthority, CertificateFiles
from tests.e2e.devtools import browsing
from tests.e2e.processes import LOOPBACK
from tests.e2e.proving import DOMAIN, TOKEN, asking_flags, open_page, other_flags, proving_proxy
from tests.e2e.proxy import Proxy

HOST: Final = "doh.example.org"
PORT: Final = 443
ANDROID: Final = "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Mobile"
MACINTOSH: Final = "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 Version/18.2 Safari/605.1.15"


@dataclass(frozen=True, slots=True)
class View:
    """One picture, and who sees it."""

    picture: Picture
    agent: str
    asks: bool
    """Whether the browser asks this service."""
    until: str = ""
    """What stands at the upper edge, as a selector; the top of the page if empty."""


VIEWS: Final = (
    View(Picture("setup-phone", None, "/fr/setup", 390, 1_000, is_dark=True), ANDROID, asks=False),
    View(Picture("setup-member", None, f"/en/setup/{TOKEN}", 900, 900), MACINTOSH, asks=True),
    View(Picture("setup-codes", None, f"/fr/setup/{TOKEN}", 900, 900), MACINTOSH, asks=True, until="h2:has(+p>.code)"),
)


def make_setup(to: Path, chromium: str) -> None:
    """Save them in a directory."""
    with tempfile.TemporaryDirectory(prefix="dohproxy-pictures-") as name:
        directory = Path(name)
        authority = CertificateAuthority(directory)
        shown = authority.issue([LOOPBACK, f"*.{DOMAIN}"])
        with proving_proxy(directory, authority, shown, HOST, port=PORT) as proxy:
            for asks in (True, False):
                views = [one for one in VIEWS if one.asks is asks]
                place = directory / str(asks)
                place.mkdir()
                asyncio.run(_take(views, proxy, shown, place, to, chromium))


async def _take(
    views: Sequence[View], proxy: Proxy, shown: CertificateFiles, directory: Path, to: Path, chromium: str
) -> None:
    asks = views[0].asks
    flags = asking_flags(proxy, shown, directory) if asks else other_flags(shown)
    # What is told is the port that everybody else's service has.
    flags.append(f"--testing-fixed-https-port={proxy.port}")
    async with (
        browsing(chromium, directory, flags) as browser,
        browser.tab() as painter,
        browser.tab() as tab,
    ):
        for view in views:
            await tab.be(view.picture.width, view.picture.height, dark=view.picture.is_dark)
            await tab.send("Network.setUserAgentOverride", userAgent=view.agent)
            await open_page(tab, proxy, view.picture.page)
            if view.until:
                await tab.run(f"document.querySelector({view.until!r}).scrollIntoView()")
            await take(view.picture, tab, painter, to)
