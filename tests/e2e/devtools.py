"""A headless Chromium that is driven by the DevTools protocol: pages are opened, clicked, typed into and looked at."""

import asyncio
import base64
import itertools
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import aiohttp

from tests.e2e.processes import wait_until

START_SECONDS: Final = 30.0
WAIT_SECONDS: Final = 20.0
POLL_SECONDS: Final = 0.05
FLAGS: Final = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync", "--no-proxy-server", "--disable-features=HttpsUpgrades"),
    *("--remote-debugging-port=0", "--hide-scrollbars"),
)


class NavigatedError(Exception):
    """The page went to another address in the middle of it."""


class Tab:
    """One page."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket
        self._numbers = itertools.count(1)
        self._waiting: dict[int, asyncio.Future[Any]] = {}
        self.complaints: list[str] = []
        """What the console of the browser has said: errors, and what the policy has stopped."""
        self.fetched: list[str] = []
        """Addresses that the page has asked for."""
        self.answered: list[tuple[str, str]] = []
        """Addresses from which it had a response, each with the protocol over which that came."""

    async def read_forever(self) -> None:
        """Take what the browser says."""
        async for message in self._socket:
            said = json.loads(message.data)
            if "id" in said:
                waiting = self._waiting.pop(said["id"])
                if not waiting.done():
                    waiting.set_result(said)
            elif said["method"] == "Network.requestWillBeSent":
                self.fetched.append(said["params"]["request"]["url"])
            elif said["method"] == "Network.responseReceived":
                response = said["params"]["response"]
                self.answered.append((response["url"], response.get("protocol", "")))
            elif said["method"] == "Log.entryAdded" and said["params"]["entry"]["level"] == "error":
                self.complaints.append(said["params"]["entry"]["text"])
            elif said["method"] == "Runtime.exceptionThrown":
                self.complaints.append(str(said["params"]["exceptionDetails"]))

    async def send(self, method: str, **parameters: Any) -> Mapping[str, Any]:
        """Have the browser do something, and return what it says."""
        number = next(self._numbers)
        answer = self._waiting[number] = asyncio.get_running_loop().create_future()
        await self._socket.send_str(json.dumps({"id": number, "method": method, "params": parameters}))
        async with asyncio.timeout(WAIT_SECONDS):
            said = await answer
        if "navigated" in said.get("error", {}).get("message", ""):
            raise NavigatedError
        assert "error" not in said, said
        found = said["result"]
        assert isinstance(found, dict)
        return found

    async def run(self, script: str) -> Any:
        """Return what an expression of JavaScript, or the promise that it is, comes to."""
        said = await self.send("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in said, said
        return said["result"].get("value")

    async def until(self, script: str, what: str, *, seconds: float = WAIT_SECONDS) -> None:
        """Wait until an expression is true."""
        try:
            async with asyncio.timeout(seconds):
                while not await self._holds(script):
                    pass
        except TimeoutError:
            shown = await self.run("document.body.innerText")
            raise AssertionError(f"{what} did not come to be; shown is:\n{shown}\n{self.complaints}") from None

    async def _holds(self, script: str) -> bool:
        """Tell whether an expression is true, a moment from now."""
        try:
            return bool(
                await self.run(
                    f"new Promise(tell => setTimeout(() => tell(Boolean({script})), {POLL_SECONDS * 1_000:.0f}))"
                )
            )
        except NavigatedError:
            return False

    async def open(self, url: str) -> None:
        """Go to an address."""
        await self.send("Page.navigate", url=url)
        await self.until("document.readyState === 'complete'", "the page")

    async def be(self, width: int, height: int, *, dark: bool = False, calm: bool = True) -> None:
        """Be a screen of this size and of this taste."""
        await self.send(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False
        )
        features = [
            {"name": "prefers-color-scheme", "value": "dark" if dark else "light"},
            {"name": "prefers-reduced-motion", "value": "reduce" if calm else "no-preference"},
        ]
        await self.send("Emulation.setEmulatedMedia", features=features)

    async def press(self, selector: str) -> None:
        """Click with the mouse in the middle of an element, as far as it can be seen there."""
        place = await self.run(
            f"(() => {{ const one = document.querySelector({json.dumps(selector)});"
            " one.scrollIntoView({block: 'center'}); const box = one.getBoundingClientRect();"
            " const x = box.x + box.width / 2, y = box.y + box.height / 2, hit = document.elementFromPoint(x, y);"
            " return {x, y, isSeen: one === hit || one.contains(hit)}; })()"
        )
        assert place["isSeen"], f"{selector} is covered"
        for kind in ("mousePressed", "mouseReleased"):
            await self.send(
                "Input.dispatchMouseEvent", type=kind, x=place["x"], y=place["y"], button="left", clickCount=1
            )

    async def key(self, name: str, code: int, text: str = "") -> None:
        """Press a key of the keyboard."""
        more = {"text": text} if text else {}
        await self.send("Input.dispatchKeyEvent", type="keyDown", key=name, windowsVirtualKeyCode=code, **more)
        await self.send("Input.dispatchKeyEvent", type="keyUp", key=name, windowsVirtualKeyCode=code)

    async def type(self, selector: str, text: str) -> None:
        """Put the focus into a field, and type."""
        await self.run(f"document.querySelector({json.dumps(selector)}).focus()")
        await self.send("Input.insertText", text=text)

    async def picture(self, file: Path, *, whole: bool = False) -> None:
        """Save what is seen, or all of the page."""
        said = await self.send("Page.captureScreenshot", format="png", captureBeyondViewport=whole)
        await asyncio.to_thread(file.write_bytes, base64.b64decode(said["data"]))


class Browser:
    """One Chromium with a profile of its own."""

    def __init__(self, session: aiohttp.ClientSession, port: int, tasks: asyncio.TaskGroup) -> None:
        self._session = session
        self._port = port
        self._tasks = tasks

    @asynccontextmanager
    async def tab(self) -> AsyncIterator[Tab]:
        """Give a new page."""
        async with self._session.put(f"http://127.0.0.1:{self._port}/json/new?about:blank") as answer:
            url = (await answer.json())["webSocketDebuggerUrl"]
        async with self._session.ws_connect(url, max_msg_size=0) as socket:
            tab = Tab(socket)
            reading = self._tasks.create_task(tab.read_forever())
            for domain in ("Page", "Runtime", "Log", "Network"):
                await tab.send(f"{domain}.enable")
            try:
                yield tab
            finally:
                reading.cancel()


@asynccontextmanager
async def browsing(program: str, directory: Path, more: Sequence[str] = ()) -> AsyncIterator[Browser]:
    """Start one, and end it with all its processes."""
    profile = directory / "profile"
    process = await asyncio.create_subprocess_exec(
        *(program, *FLAGS, *more, f"--user-data-dir={profile}", "about:blank"),
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        await asyncio.to_thread(wait_until, lambda: _port(profile) is not None, START_SECONDS, "the browser")
        port = _port(profile)
        assert port is not None
        async with aiohttp.ClientSession() as session, asyncio.TaskGroup() as tasks:
            yield Browser(session, port, tasks)
    finally:
        process.terminate()
        await process.wait()


def _port(profile: Path) -> int | None:
    """Return where the browser listens, once it has said so."""
    try:
        return int((profile / "DevToolsActivePort").read_text(encoding="ascii").split()[0])
    except (FileNotFoundError, IndexError):
        return None
