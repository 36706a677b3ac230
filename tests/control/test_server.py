"""What the person on duty reads."""

from pathlib import Path

import aiohttp

from dohproxy.control.server import admin_application
from tests.control.served import served


async def test_the_status_is_json_whatever_is_in_it() -> None:
    snapshot = {"cache": {"entries": 1}, "path": Path("/a"), "name": 'a "b"\n'}
    async with (
        served(admin_application(lambda: snapshot)) as url,
        aiohttp.ClientSession() as session,
        session.get(f"{url}/status") as page,
    ):
        assert await page.json() == {"cache": {"entries": 1}, "path": "/a", "name": 'a "b"\n'}
