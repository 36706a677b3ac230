"""Everything behind the frontends, built and told of another configuration."""

import asyncio
from dataclasses import replace
from pathlib import Path

from dohproxy.builders import clock
from dohproxy.config import Config, DiscoveryConfig, RouteConfig, ServerConfig, TlsConfig
from dohproxy.core import Core
from dohproxy.doh.exchange import HttpRequest
from dohproxy.exits import Miss
from dohproxy.outcomes import NOBODY, Frontend
from dohproxy.wire.query import parse_query
from tests.fakes.samples import samples_in
from tests.fakes.upstream import FakeUpstream
from tests.frontends.client import query


async def _ask(core: Core, name: str) -> int:
    """Return the status of a question by POST, whoever it is from."""
    request = HttpRequest("POST", "/dns-query", query(name), content_type="application/dns-message")
    found = core.service.begin(core.service.read(request, Frontend.HTTP1), NOBODY, clock())
    return (await core.service.resolve(found) if isinstance(found, Miss) else found).status


async def test_a_route_keeps_its_cache_as_long_as_it_has_its_domains() -> None:
    general, inner = FakeUpstream(), FakeUpstream()
    async with general.running(), inner.running(), asyncio.TaskGroup() as tasks:
        upstreams = (general.config(), inner.config(name="inner"))
        route = RouteConfig(domains=("home.arpa",), upstreams=("inner",))
        config = Config(upstreams, routes=(route,))
        core = Core(config, tasks)
        assert await _ask(core, "nas.home.arpa") == 200
        core.adopt(replace(config, routes=(replace(route, cache_megabytes=route.cache_megabytes),)))
        assert await _ask(core, "nas.home.arpa") == 200
        assert (general.asked, inner.asked) == (0, 1)
        core.adopt(replace(config, routes=()))
        assert await _ask(core, "nas.home.arpa") == 200
        assert (general.asked, inner.asked) == (0, 1)
        core.adopt(config)
        assert await _ask(core, "nas.home.arpa") == 200
        assert inner.asked == 2
        await core.close()


async def test_a_path_of_another_configuration_holds_from_the_next_request_on() -> None:
    upstream = FakeUpstream()
    async with upstream.running(), asyncio.TaskGroup() as tasks:
        config = Config((upstream.config(),))
        core = Core(config, tasks)
        assert await _ask(core, "localhost") == 200
        core.adopt(replace(config, server=ServerConfig(path="/other")))
        assert await _ask(core, "localhost") == 404
        await core.close()


async def test_figures_of_all_that_is_there_come_after_every_change() -> None:
    upstream = FakeUpstream()
    async with upstream.running(), asyncio.TaskGroup() as tasks:
        config = Config((upstream.config(),))
        core = Core(config, tasks)
        names = {reading.figure.name for reading in core.figures.read()}
        core.adopt(replace(config, upstreams=(upstream.config(name="other"),)))
        assert {reading.figure.name for reading in core.figures.read()} == names
        assert samples_in(core.figures.read())["dohproxy_upstream_up", ("other",)] == 1
        await core.close()


async def test_clients_are_told_of_the_service_once_its_certificate_is_for_its_name() -> None:
    upstream = FakeUpstream()
    async with upstream.running(), asyncio.TaskGroup() as tasks:
        tls = TlsConfig(Path("/nowhere/fullchain.pem"), Path("/nowhere/privkey.pem"))
        server, discovery = ServerConfig(host="doh.example.net"), DiscoveryConfig(enabled=True)
        config = Config((upstream.config(),), server, tls, discovery=discovery)
        core = Core(config, tasks)
        ways = parse_query(query("_dns.resolver.arpa", "SVCB"))
        version = core.pipeline.rules_version
        assert core.names.discovery.answer(ways) is None
        core.use_certificate(lambda host: host == "other.example.net")
        assert core.pipeline.rules_version == version
        core.use_certificate(lambda host: host == "doh.example.net")
        assert core.names.discovery.answer(ways) is not None
        assert core.pipeline.rules_version > version
        core.adopt(replace(config, server=ServerConfig(host="other.example.net")))
        assert core.names.discovery.answer(ways) is None
        await core.close()
