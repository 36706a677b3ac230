"""What the public pages are made from: each part is its owner's word."""

import asyncio
import json
import time
from dataclasses import replace
from pathlib import Path

import pytest

from dohproxy.builders import clock
from dohproxy.config import (
    BlocklistConfig,
    DotConfig,
    ListenAddress,
    PagesConfig,
    UpstreamAddress,
    UpstreamConfig,
    default_config,
)
from dohproxy.doh.exchange import HttpRequest, HttpResponse
from dohproxy.jobs.alerting import Alerting
from dohproxy.member_token import TOKEN_BYTES, token_of
from dohproxy.outcomes import NOBODY, Frontend
from dohproxy.policy.announcements import Announcements
from dohproxy.policy.blocklists.by_hand import HandEntry
from dohproxy.policy.mode import Mode
from dohproxy.publishing import page_job_of
from dohproxy.server import Server
from dohproxy.wire.name import from_text
from tests.fakes.pages import ABOUT

CONFIG = replace(
    default_config((UpstreamConfig("ns0", UpstreamAddress("udp", "127.0.0.1", 9)),)),
    about=ABOUT,
    pages=PagesConfig(enabled=True),
    blocklists=(BlocklistConfig("order", names=("a.example", "b.example"), reason="law", reference="27/1"),),
)


def shown(server: Server, path: str) -> HttpResponse:
    service = server.core.service
    response = service.begin(service.read(HttpRequest("GET", path), Frontend.HTTP1), NOBODY, clock())
    assert isinstance(response, HttpResponse)
    return response


@pytest.mark.parametrize("file", [None, Path("members.json")], ids=["without members", "with members"])
async def test_members_have_pages_of_their_own_where_they_have_urls(file: Path | None) -> None:
    token = token_of(bytes(range(TOKEN_BYTES)))
    dot = DotConfig((ListenAddress("tcp", host="192.0.2.1", port=853),), host="dot.example.net")
    config = replace(CONFIG, clients=replace(CONFIG.clients, member_file=file), dot=dot)
    async with asyncio.TaskGroup() as tasks:
        server = Server(config, tasks, bytes(32))
        alerting = Alerting(
            *(config, server.alert_owners(), server.core.pipeline, server.visitors, server.identities, clock)
        )
        await page_job_of(config, server.core, alerting, Announcements()).poll()
        assert b"https://localhost/dns-query" in shown(server, "/setup").body
        assert b"dot.example.net" in shown(server, "/setup").body
        own = shown(server, f"/setup/{token}")
        assert own.status == (404 if file is None else 200)
        assert (f"https://localhost/dns-query/{token}".encode() in own.body) is (file is not None)
        await server.close()


async def test_the_pages_say_what_mode_lists_blocks_and_announcements_are() -> None:
    async with asyncio.TaskGroup() as tasks:
        server = Server(CONFIG, tasks, bytes(32))
        alerting = Alerting(
            *(CONFIG, server.alert_owners(), server.core.pipeline, server.visitors, server.identities, clock)
        )
        notes = Announcements()
        notes.announce("Hello.", time.time() + 600, time.time())
        job = page_job_of(CONFIG, server.core, alerting, notes)
        assert shown(server, "/").status == 503
        await job.poll()
        first = json.loads(shown(server, "/status.json").body)
        assert (first["level"], first["names_withheld"]["law"], first["day"]["questions"]) == ("well", 2, 0)
        assert [one["text"] for one in first["announcements"]] == ["Hello."]
        assert b"order: 27/1" in shown(server, "/en").body
        assert b"https://localhost/dns-query" in shown(server, "/en").body

        server.core.resolver.pause("ns0")
        assert job.is_cut_off()
        server.core.resolver.resume("ns0")
        assert not job.is_cut_off()

        alerting.mode.enter(Mode.MEMBERS)
        server.core.names.blocklists.by_hand.put(HandEntry(from_text("c.example"), True, True, time.time() + 60))
        notes.withdraw(1, time.time())
        await job.poll()
        second = json.loads(shown(server, "/status.json").body)
        assert (second["level"], second["restriction"]["members_only"]) == ("limited", True)
        assert (second["names_withheld"]["operator"], second["announcements"]) == (1, [])
        await server.close()
