"""Alerts and mode under the whole service: looked at, told, taken over by a reload and by the next run."""

import asyncio
import json
from collections.abc import Callable
from dataclasses import replace
from ipaddress import ip_network
from pathlib import Path

import pytest

from dohproxy.builders import clock
from dohproxy.config import AdminConfig, AlertsConfig, CacheConfig, ClientsConfig, ListedConfig, ServerConfig
from dohproxy.control.client import send
from dohproxy.observability.detectors.judgement import AlertKind
from dohproxy.observability.detectors.reading import Bound
from dohproxy.observability.detectors.service import SERVICE
from dohproxy.outcomes import Reason
from dohproxy.policy.mode import Mode, Source
from dohproxy.runtime import Runtime
from tests.frontends.client import get
from tests.frontends.served import until
from tests.test_serving import ANYWHERE, NAME, Running, run

LoopFactory = Callable[[], asyncio.AbstractEventLoop]
MEMBERS_ELSEWHERE = ClientsConfig(member_networks=(ip_network("192.0.2.0/24"),))

pytestmark = pytest.mark.usefixtures("restored_logging")


@pytest.fixture(autouse=True)
def _looks_often(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have each service look for alerts every few milliseconds."""
    monkeypatch.setattr("dohproxy.runtime.LOOK_SECONDS", 0.02)


def test_every_owner_is_read_and_a_service_that_is_well_has_no_alert(
    loop_factory: LoopFactory, runtimes: list[Runtime]
) -> None:
    async def scenario(service: Running) -> None:
        client = await service.connect()
        assert (await client.ask(get(NAME))).status == 200
        client.cut()
        watch = runtimes[-1].alerting.watch
        await until(lambda: watch._history.last.requests.get(Reason.FORWARDED) == 1, "a reading")
        reading = watch._history.last
        assert reading.accepted == 1
        assert round(reading.newcomers) == 1
        assert max(bound.fill for bound in reading.bounds if bound.name == "connections") <= 1 / 100
        assert list(runtimes[-1].alerts()) == []

    run(loop_factory, scenario)


def test_an_alert_is_in_status_and_goes_to_the_command(
    loop_factory: LoopFactory, runtimes: list[Runtime], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "dohproxy.jobs.alert_watch.SERVICE",
        tuple(replace(one, begin_seconds=0.0, end_seconds=0.0) for one in SERVICE),
    )
    told, socket = tmp_path / "told", tmp_path / "admin.sock"
    program = ("/bin/sh", "-c", 'cat >> "$1"', "tell", str(told))
    fill = [1.0]

    async def scenario(_: Running) -> None:
        runtime = runtimes[-1]
        owners = runtime.alerting.readings.owners
        owners.more_bounds.append(lambda: iter([Bound("made_up", "made-up places", fill[0])]))
        await until(lambda: told.exists() and told.stat().st_size > 0, "the message")
        answer = await asyncio.to_thread(send, socket, "/v1/status", {}, 10.0)
        assert answer.sentence.startswith("Not well: 100 % of the made-up places are taken, since ")
        assert answer.body["alerts"][0].startswith("100 % of the made-up places are taken")
        fill[0] = 0.0
        await until(lambda: told.read_text(encoding="utf-8").count("\n") == 2, "the end")
        assert list(runtime.alerts()) == []

    run(loop_factory, scenario, alerts=AlertsConfig(command=program), admin=AdminConfig(socket))
    begin, end = (json.loads(line) for line in told.read_text(encoding="utf-8").splitlines())
    assert (begin["event"], end["event"], begin["subject"]) == ("begin", "end", "made_up")


def test_while_a_list_has_us_the_reaction_holds_and_a_reload_brings_another(
    loop_factory: LoopFactory, runtimes: list[Runtime], monkeypatch: pytest.MonkeyPatch
) -> None:
    is_listed = [False]

    async def scenario(service: Running) -> None:
        runtime = runtimes[-1]
        monkeypatch.setattr(type(runtime.alerting.watch), "is_listed", property(lambda _: is_listed[0]))
        client = await service.connect()
        assert (await client.ask(get(NAME))).status == 200
        assert not runtime.core.pipeline.spares_strangers
        is_listed[0] = True
        await until(lambda: runtime.core.pipeline.spares_strangers, "the reaction")
        assert (await runtime.snapshot())["mode"] == {"mode": "open", "source": "listed", "seconds_left": None}
        assert (await client.ask(get(NAME))).status == 200
        listed = ListedConfig(reaction="members", stubs="turn-away")
        await runtime.adopt(replace(runtime.config, listed=listed, cache=CacheConfig()))
        assert (await client.ask(get(NAME))).status == 403
        is_listed[0] = False
        await until(lambda: not runtime.core.pipeline.is_for_members, "the end of it")
        assert (await client.ask(get(NAME))).status == 200
        client.cut()

    run(loop_factory, scenario, clients=MEMBERS_ELSEWHERE)


def test_the_next_run_goes_on_in_the_mode_and_with_what_is_usual(
    loop_factory: LoopFactory, runtimes: list[Runtime], tmp_path: Path
) -> None:
    server = ServerConfig((ANYWHERE,), state_directory=tmp_path)

    async def enter(_: Running) -> None:
        runtime = runtimes[-1]
        runtime.mode.enter(Mode.MEMBERS, clock() + 600.0)
        normals = runtime.alerting.watch.normals
        normals.of("requests_per_second", clock()).value = 4.5
        normals._is_known = True
        runtime.apply_mode()

    async def look(service: Running) -> None:
        runtime = runtimes[-1]
        held = runtime.mode.now(clock())
        assert (held.mode, held.source) == (Mode.MEMBERS, Source.OPERATOR)
        assert held.until is not None
        assert 500 < held.until - clock() <= 600
        client = await service.connect()
        assert (await client.ask(get(NAME))).status == 403
        client.cut()
        normals = runtime.alerting.watch.normals
        assert not normals.is_learning(clock())
        assert 4.0 < normals.of("requests_per_second", clock()).value <= 4.5

    run(loop_factory, enter, server=server, clients=MEMBERS_ELSEWHERE)
    run(loop_factory, look, server=server, clients=MEMBERS_ELSEWHERE)


def test_each_kind_has_its_figure_from_the_start(loop_factory: LoopFactory, runtimes: list[Runtime]) -> None:
    async def scenario(_: Running) -> None:
        figures = (await runtimes[-1].snapshot())["figures"]
        assert figures["dohproxy_alert_active"] == {kind.value: 0.0 for kind in AlertKind}

    run(loop_factory, scenario)
