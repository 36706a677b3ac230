"""The operator's page in a browser: every button does what it says, with mouse and keyboard, wide and narrow, in light
and in the dark; and axe finds nothing that would keep somebody from using it."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import dns.message
import pytest

from dohproxy.control.client import send
from tests.conftest import FindProgram
from tests.e2e.certificates import CertificateAuthority
from tests.e2e.devtools import Browser, Tab, browsing
from tests.e2e.processes import free_port
from tests.e2e.proxy import Proxy, ProxySettings, running_proxy
from tests.fakes.datagrams import answering
from tests.fakes.upstream import make_reply

pytestmark = pytest.mark.long

SCREENS: Final = ((320, False), (320, True), (1280, False), (1280, True))
"""Widths, and whether it is dark."""
TAB: Final = ("Tab", 9)
ENTER: Final = ("Enter", 13, "\r")


@dataclass(slots=True)
class OnDuty:
    """Somebody who looks at the page of a running service."""

    proxy: Proxy
    socket: Path
    tab: Tab
    pressed: set[str] = field(default_factory=set)

    async def ask(self, name: str, /, **values: Any) -> dict[str, Any]:
        """Return what a command says at the socket, which is how the service really is."""
        answer = await asyncio.to_thread(send, self.socket, f"/v1/{name}", values, 30.0)
        return dict(answer.body)

    async def press(self, label: str, *, within: str = "body") -> None:
        """Press the button that says this."""
        found = await self.tab.run(
            f"(() => {{ const all = [...document.querySelectorAll({json.dumps(within)} + ' button')];"
            f" const one = all.find((button) => button.innerText === {json.dumps(label)});"
            " if (!one) return false; document.querySelectorAll('[data-pressed]').forEach((before) =>"
            " delete before.dataset.pressed); one.dataset.pressed = '1'; return true; })()"
        )
        assert found, f"no button says {label}"
        await self.tab.press("[data-pressed]")
        self.pressed.add(label)

    async def confirm(self, command: str) -> None:
        """Say yes to what is asked, which shows the command that does the same."""
        await self.tab.until("document.getElementById('confirm').open", f"the question before {command}")
        assert await self.tab.run("document.getElementById('confirm-command').textContent") == f"dohproxy {command}"
        await self.press("Do it")

    async def said(self, words: str) -> None:
        """Wait until the page says so."""
        await self.tab.until(
            f"document.getElementById('said').textContent.includes({json.dumps(words)})", f"that it says: {words}"
        )

    async def shows(self, place: str, words: str) -> None:
        """Wait until something is shown somewhere."""
        await self.tab.until(
            f"document.getElementById({json.dumps(place)}).innerText.includes({json.dumps(words)})",
            f"{words} in {place}",
        )

    async def log_in(self) -> None:
        """Open the link that the command shows."""
        await self.tab.open((await self.ask("console"))["url"])
        await self.tab.until("!document.getElementById('board').hidden", "the page")


@contextmanager
def service(directory: Path, authority: CertificateAuthority, **sections: Any) -> Iterator[tuple[Proxy, Path]]:
    """A service of two upstreams with a page for who has logged in."""
    socket = directory / "a.sock"
    with answering(make_reply) as first, answering(make_reply) as second:
        settings = ProxySettings(
            (f"udp://127.0.0.1:{first}", f"udp://127.0.0.1:{second}"),
            authority,
            sections={
                "admin": {"socket": str(socket), "listen": f"127.0.0.1:{free_port()}"},
                "clients": {"member_networks": ["192.0.2.0/24"]},
                **sections,
            },
        )
        with running_proxy(directory, settings) as proxy:
            yield proxy, socket


@pytest.fixture
async def duty(authority: CertificateAuthority, tmp_path: Path, find_program: FindProgram) -> AsyncIterator[OnDuty]:
    """Somebody who has logged in."""
    chromium = find_program("chromium", "chromium")
    with service(tmp_path, authority) as (proxy, socket):
        async with opened(chromium, tmp_path) as (_, tab):
            one = OnDuty(proxy, socket, tab)
            await tab.be(1_280, 900)
            await one.log_in()
            yield one


@asynccontextmanager
async def opened(chromium: str, directory: Path) -> AsyncIterator[tuple[Browser, Tab]]:
    """A browser with one empty page."""
    async with browsing(chromium, directory) as browser, browser.tab() as tab:
        yield browser, tab


async def test_every_button_does_what_it_says(duty: OnDuty) -> None:
    tab = duty.tab
    await duty.shows("headline", "Well\n\n2 upstreams are asked")
    assert await tab.run("location.hash") == ""

    # Who is asked. What is not confirmed is not done.
    await duty.press("Pause", within="#upstreams")
    await tab.until("document.getElementById('confirm').open", "the question")
    await duty.press("Leave it")
    assert (await duty.ask("status"))["by_hand"] == []
    await duty.press("Pause", within="#upstreams")
    await duty.confirm("upstream pause ns0")
    await duty.shows("upstreams", "is paused by hand")
    assert (await duty.ask("status"))["figures"]["dohproxy_upstream_paused"] == {"ns0": 1, "ns1": 0}
    log = duty.proxy.child.log_text()
    assert "command='upstream pause' login=1 result=done" in log, log
    assert "logged in to the operator's page login=1" in log
    await duty.shows("headline", "something to know")
    await duty.press("Resume", within="#upstreams")
    await duty.confirm("upstream resume ns0")
    await tab.until("!document.getElementById('upstreams').innerText.includes('paused')", "the resumed upstream")

    # Who is served.
    for label, mode, says in (
        ("Members alone", "members", "Members and exempt networks alone"),
        ("Everybody", "open", "Everybody is served, whatever a rule says"),
        ("As the rules say", "auto", "Everybody is served."),
    ):
        await duty.press(label)
        await duty.confirm("mode auto" if mode == "auto" else f"mode {mode} --for 1h")
        await duty.shows("mode", says)
        assert (await duty.ask("mode"))["mode"] == ("open" if mode == "auto" else mode)

    # Who is kept out: who asks here is exempt, and is banned all the same if he is named; so somebody else is.
    await tab.type("#ban-network", "198.51.100.0/24")
    await tab.type("#ban-reason", "scans <b>us</b>")
    await duty.press("Ban", within="#ban-form")
    await duty.confirm("ban 198.51.100.0/24 --for 1h --reason 'scans <b>us</b>'")
    await duty.said("198.51.100.0/24 is banned for")
    await duty.press("Show who is banned")
    await duty.shows("bans", "scans <b>us</b>")
    assert [one["network"] for one in (await duty.ask("bans"))["bans"]] == ["198.51.100.0/24"]
    await duty.press("Unban")
    await duty.confirm("unban 198.51.100.0/24")
    await duty.shows("bans", "let in")
    assert [one["is_banned"] for one in (await duty.ask("bans"))["bans"]] == [False]
    await duty.press("Put away")
    assert "198.51.100" not in await tab.run("document.getElementById('bans').textContent")

    # What is withheld.
    for name, label, verb in (("ads.example", "Block", "block"), ("good.example", "Let through", "allow")):
        await tab.type("#block-name", name)
        await duty.press(label)
        await duty.confirm(f"{verb} {name} --for 1d")
        await duty.said(f"{name} is ")
    await duty.press("Show names by hand")
    await duty.shows("blocks", "good.example")
    assert [one["is"] for one in (await duty.ask("blocks"))["by_hand"]] == ["blocked", "allowed"]
    await duty.press("Unblock")
    await duty.confirm("unblock ads.example")
    await tab.until("!document.getElementById('blocks').innerText.includes('ads.example')", "its end")
    await duty.press("Let lists decide")
    await duty.confirm("disallow good.example")
    await duty.shows("blocks", "No name is blocked")
    assert (await duty.ask("blocks"))["by_hand"] == []

    # What is held by hand.
    await tab.type("#limit-key", "limits.misses_burst")
    await tab.type("#limit-value", "33")
    await duty.press("Hold to it")
    await duty.confirm("limit limits.misses_burst 33 --for 2h")
    await duty.shows("limits", "limits.misses_burst")
    assert (await duty.ask("limit", key="limits.misses_burst"))["value"] == 33
    await duty.press("Reset")
    await duty.confirm("limit limits.misses_burst --reset")
    await duty.shows("limits", "No limit is held by hand.")

    # What everybody is told.
    await tab.type("#announce-text", "Maintenance tonight.")
    await duty.press("Announce")
    await duty.confirm("announce 'Maintenance tonight.' --for 1d")
    await duty.shows("announcements", "Maintenance tonight.")
    await duty.press("Withdraw")
    await duty.confirm("announce --withdraw 1")
    await duty.shows("announcements", "Nothing is announced.")
    assert (await duty.ask("announce"))["announcements"] == []

    # Who asks most.
    await tab.run("document.getElementById('top-for').value = '2s'")
    await duty.press("Look")
    await asyncio.to_thread(_ask_something, duty.proxy)
    await duty.shows("top", "127.0.0.0/24")
    await duty.press("Put away", within="#top-form")
    assert "127.0.0.0" not in await tab.run("document.body.innerText")

    # The service as a whole.
    await duty.press("Read the configuration again")
    await duty.confirm("reload")
    await tab.until("document.getElementById('said').textContent !== ''", "what came of the reload")
    assert (await duty.ask("status"))["figures"]["dohproxy_reloads_total"]["taken"] == 1
    await duty.press("Forget the cache")
    await duty.confirm("flush --all")
    await duty.said("about everything.")

    # Out, and in again by hand.
    await duty.press("Log out")
    await tab.until("!document.getElementById('login').hidden", "the login")
    url = (await duty.ask("console"))["url"]
    await tab.type("#token", "wrong")
    await duty.press("Log in")
    await duty.shows("login", "This token is not valid")
    await tab.type("#token", url)
    await duty.press("Log in")
    await tab.until("!document.getElementById('board').hidden", "the page")

    await duty.press("End the service")
    await duty.confirm("drain")
    assert await asyncio.to_thread(duty.proxy.child.wait, 15.0) == 0
    await duty.shows("link", "again")

    labels = set(await tab.run("[...document.querySelectorAll('button')].map((button) => button.textContent)"))
    assert labels - duty.pressed == set()
    assert [one for one in tab.complaints if "ERR_CONNECTION_REFUSED" not in one and "403" not in one
            and "401" not in one and "INCOMPLETE" not in one] == []  # fmt: skip
    assert {url.split("/")[2].rpartition(":")[0] for url in tab.fetched} == {"127.0.0.1"}


def _ask_something(proxy: Proxy) -> None:
    with proxy.client() as client:
        assert client.get(dns.message.make_query("a.example.", "A").to_wire()).status == 200


@pytest.mark.parametrize(("width", "dark"), SCREENS)
async def test_axe_finds_nothing_and_nothing_is_too_wide(duty: OnDuty, axe: str, width: int, *, dark: bool) -> None:
    tab = duty.tab
    await duty.ask("block", name="ads.example")
    await duty.ask("ban", network="198.51.100.0/24", reason="x" * 80)
    await duty.ask("announce", text="A very long announcement. " * 5)
    await duty.ask("limit", key="limits.misses_burst", value="33")
    await tab.be(width, 800, dark=dark)
    await duty.press("Show who is banned")
    await duty.shows("bans", "198.51.100.0/24")
    await duty.press("Show names by hand")
    await duty.shows("blocks", "ads.example")
    await duty.shows("limits", "limits.misses_burst")
    assert await tab.run("document.documentElement.scrollWidth") == width
    await tab.run(f"{axe};0")
    assert await _violations(tab) == []
    await duty.press("Withdraw")
    await tab.until("document.getElementById('confirm').open", "the question")
    assert await tab.run("document.documentElement.scrollWidth") == width
    assert await _violations(tab) == []


async def _violations(tab: Tab) -> list[str]:
    found = await tab.run(
        "axe.run(document, {resultTypes: ['violations']}).then(({violations}) =>"
        " violations.map(({id, nodes}) => `${id}: ${nodes.map(({html}) => html).join(' ')}`))"
    )
    assert isinstance(found, list)
    return found


async def test_it_can_be_used_with_the_keyboard_alone(duty: OnDuty) -> None:
    tab = duty.tab
    focused = "document.activeElement"
    for _ in range(40):
        await tab.key(*TAB)
        if await tab.run(f"{focused}.innerText") == "Pause":
            break
    assert await tab.run(f"getComputedStyle({focused}).outlineStyle") == "solid"
    await tab.key(*ENTER)
    await tab.until("document.getElementById('confirm').open", "the question")
    assert await tab.run(f"{focused}.id") == "confirm-no"
    await tab.key("Escape", 27)
    await tab.until("!document.getElementById('confirm').open", "its end")
    assert await tab.run(f"{focused}.innerText") == "Pause"
    await tab.key(*ENTER)
    await tab.until("document.getElementById('confirm').open", "the question")
    await tab.run("document.getElementById('confirm-yes').focus()")
    await tab.key(*ENTER)
    await duty.shows("upstreams", "is paused by hand")
    # What is brought up to date every two seconds leaves the focus where it is.
    assert await tab.run(f"{focused}.innerText") in ("Pause", "Resume")


async def test_what_is_wrong_is_said_first_and_with_a_shape_of_its_own(duty: OnDuty) -> None:
    for name in ("ns0", "ns1"):
        await duty.ask("upstream/pause", name=name)
    await duty.shows("headline", "Not well\n\nEvery upstream is paused")
    seen = "['well', 'mind', 'bad'].filter((word) => document.querySelector(`.shape.${word}`).getClientRects().length)"
    assert await duty.tab.run(seen) == ["bad"]
    assert await duty.tab.run("document.title") == "Not well \u2013 dohproxy"
    assert await duty.tab.run("document.querySelector('#headline [aria-live]').getAttribute('aria-live')") == "polite"


async def test_five_may_look_and_the_sixth_is_told_so(duty: OnDuty) -> None:
    cookies = (await duty.tab.send("Network.getCookies"))["cookies"]
    assert [(one["httpOnly"], one["sameSite"]) for one in cookies] == [(True, "Strict")]
    looks = (
        "Promise.all([1, 2, 3, 4, 5].map(() => fetch('/console/events').then(async (answer) =>"
        " answer.ok ? 200 : [answer.status, (await answer.json()).sentence])))"
    )
    statuses = await duty.tab.run(looks)
    assert statuses.count(200) == 4, statuses
    assert [one for one in statuses if one != 200] == [
        [503, "5 people look at this page already, and no more may: ask one of them."]
    ]
