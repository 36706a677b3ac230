"""Whether it works: browsers that ask a running service have the picture on its page, and all others the words."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import FindProgram
from tests.e2e.browsers import FIREFOX_PREFERENCES
from tests.e2e.certificates import CertificateAuthority, CertificateFiles
from tests.e2e.devtools import Tab, browsing
from tests.e2e.processes import LOOPBACK
from tests.e2e.proving import DOMAIN, PICTURE, TOKEN, asking_flags, open_page, other_flags, proving_proxy
from tests.e2e.proxy import Proxy, environment

pytestmark = pytest.mark.long

SECONDS = 60
SHOWN = f"({{width: {PICTURE}.naturalWidth, alt: {PICTURE}.alt, source: {PICTURE}.src}})"
ANOTHER = f"""new Promise(tell => {{
    document.addEventListener('securitypolicyviolation', one => tell(one.effectiveDirective));
    const other = new Image();
    other.addEventListener('load', () => tell('loaded'));
    other.src = 'https://proof-0000000000000000.{DOMAIN}/en/proof.svg';
}})"""


@pytest.fixture(scope="module")
def shown(authority: CertificateAuthority) -> CertificateFiles:
    return authority.issue([LOOPBACK, f"*.{DOMAIN}"])


@pytest.fixture(scope="module")
def proxy(
    authority: CertificateAuthority, shown: CertificateFiles, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Proxy]:
    with proving_proxy(tmp_path_factory.mktemp("proof"), authority, shown) as running:
        yield running


def pictures(proxy: Proxy) -> float:
    """How often the picture was shown."""
    return proxy.metric("dohproxy_page_views_total", {"page": "proof", "showing": "whole"})


async def seen(tab: Tab, proxy: Proxy, path: str) -> dict[str, Any]:
    """What a page has where the picture is to be."""
    await open_page(tab, proxy, path)
    found = await tab.run(SHOWN)
    assert isinstance(found, dict)
    return found


async def test_chromium_that_asks_the_service_has_the_picture(
    proxy: Proxy, shown: CertificateFiles, tmp_path: Path, find_program: FindProgram
) -> None:
    flags = asking_flags(proxy, shown, tmp_path)
    before = pictures(proxy)
    async with browsing(find_program("chromium", "chromium"), tmp_path, flags) as browser, browser.tab() as tab:
        found = [await seen(tab, proxy, path) for path in ("/en/setup", "/en/setup", f"/fr/setup/{TOKEN}")]
        assert [one["width"] for one in found] == [340] * 3
        # Another name each time, and no picture but that one.
        assert len({one["source"] for one in found}) == 3
        assert await tab.run(ANOTHER) == "img-src"
        assert pictures(proxy) == before + 3
        # Whoever sees no pictures opens it by itself.
        await tab.open(found[0]["source"])
        assert await tab.run("document.documentElement.querySelector('title').textContent") == (
            "Yes, it works. This browser asks this service."
        )


async def test_chromium_that_asks_somebody_else_has_the_words(
    proxy: Proxy, shown: CertificateFiles, tmp_path: Path, find_program: FindProgram
) -> None:
    before, flags = pictures(proxy), other_flags(shown)
    async with browsing(find_program("chromium", "chromium"), tmp_path, flags) as browser, browser.tab() as tab:
        for path in ("/en/setup", f"/en/setup/{TOKEN}"):
            found = await seen(tab, proxy, path)
            assert found["width"] == 0
            assert found["alt"].startswith("Not yet, if these words stand here in place of a picture")
    assert pictures(proxy) == before


@pytest.mark.parametrize("asks", [True, False], ids=["asks the service", "asks somebody else"])
def test_firefox_fetches_the_picture_if_it_asks_the_service(
    proxy: Proxy, authority: CertificateAuthority, tmp_path: Path, find_program: FindProgram, asks: bool
) -> None:
    firefox, certutil = find_program("firefox-esr", "firefox-esr"), find_program("certutil", "libnss3-tools")
    profile, variables = tmp_path / "firefox", environment() | {"HOME": str(tmp_path)}
    profile.mkdir()
    trusted = [certutil, "-A", "-d", f"sql:{profile}", "-n", "tests", "-t", "C,,", "-i", str(authority.file)]
    subprocess.run(trusted, check=True, capture_output=True, timeout=SECONDS, env=variables)
    preferences: dict[str, object] = {
        **FIREFOX_PREFERENCES,
        "network.trr.uri": proxy.url,
        "network.trr.custom_uri": proxy.url,
        "network.trr.bootstrapAddr": LOOPBACK,
        # As if the system knew no such name, whatever it knows.
        **({} if asks else {"network.trr.mode": 5, "network.dns.disabled": True}),
    }
    lines = [f"user_pref({json.dumps(name)}, {json.dumps(value)});\n" for name, value in preferences.items()]
    (profile / "user.js").write_text("".join(lines), encoding="ascii")
    before = pictures(proxy), proxy.metric("dohproxy_page_views_total", {"page": "setup", "showing": "whole"})
    argv = [firefox, "--headless", "--no-remote", "--profile", str(profile), "--screenshot", str(tmp_path / "page.png")]
    url = f"https://{LOOPBACK}:{proxy.port}/en/setup"
    subprocess.run([*argv, url], check=False, capture_output=True, timeout=SECONDS, env=variables)
    assert (tmp_path / "page.png").stat().st_size > 0
    after = pictures(proxy), proxy.metric("dohproxy_page_views_total", {"page": "setup", "showing": "whole"})
    assert (after[0] - before[0], after[1] - before[1]) == (asks, 1)
