"""Where the service as a whole is met: commands at one socket, all figures on one page."""

import asyncio
import socket
from pathlib import Path
from typing import cast

import aiohttp
import pytest

from dohproxy.config import AdminConfig, Config, ListenAddress, MetricsConfig, UpstreamAddress, UpstreamConfig
from dohproxy.control.client import send
from dohproxy.supervision.fleet import Fleet
from dohproxy.supervision.front_desk import FrontDesk
from dohproxy.supervision.restarts import Restarts
from dohproxy.supervision.worker_process import WorkerProcess
from tests.fakes.upstream import FakeUpstream
from tests.fakes.workers import two_workers

UPSTREAM = UpstreamConfig("first", UpstreamAddress("udp", "192.0.2.1", 53))
PAGE = ListenAddress("tcp", host="127.0.0.1", port=8054)
CONFIG = Config((UPSTREAM,), metrics=MetricsConfig(), admin=AdminConfig(Path("/run/admin.sock"), PAGE))


def test_it_is_met_where_the_configuration_says() -> None:
    assert [key for key, _ in FrontDesk.addresses(CONFIG)] == ["metrics.listen", "admin.socket", "admin.listen"]
    assert list(FrontDesk.addresses(Config((UPSTREAM,)))) == []


async def test_scrapers_and_the_person_on_duty_see_all_workers(tmp_path: Path) -> None:
    upstream = FakeUpstream()
    async with upstream.running(), two_workers(tmp_path, upstream) as (_, processes):
        workers = [cast(WorkerProcess, one) for one in processes]
        fleet = Fleet(CONFIG, workers, [Restarts(), Restarts()], asyncio.Event, lambda: pytest.fail("no"))
        desk = FrontDesk(CONFIG, fleet)
        metrics, admin = socket.create_server(("127.0.0.1", 0)), socket.socket(socket.AF_UNIX)
        admin.bind(str(tmp_path / "admin.sock"))
        admin.listen()
        for one in (metrics, admin):
            one.setblocking(False)
        await desk.start({"metrics.listen": metrics, "admin.socket": admin})
        try:
            url = f"http://127.0.0.1:{metrics.getsockname()[1]}/metrics"
            async with aiohttp.ClientSession() as session, session.get(url) as page:
                text = await page.text()
            path, evil = tmp_path / "admin.sock", {"network": "192.0.2.7", "for": "1h"}
            answer = await asyncio.to_thread(send, path, "/v1/status", {}, 20.0)
            ban = await asyncio.to_thread(send, path, "/v1/ban", evil, 20.0)
        finally:
            await desk.stop()
    assert 'dohproxy_upstream_max_in_flight{upstream="first"} 256.0' in text
    assert "dohproxy_management_connections" in text
    assert answer.status == 200
    assert answer.sentence.startswith("All is well")
    assert [one["number"] for one in answer.body["workers"]] == [0, 1]
    assert ban.sentence.startswith("192.0.2.7 is banned")
