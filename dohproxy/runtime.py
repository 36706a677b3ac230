"""The composition root: builds every object once, runs them under one task group, and takes them down in order."""

import asyncio
import contextlib
import http
import mmap
import os
import random
import signal
import socket
import ssl
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import Any, Final

import structlog
from prometheus_client.core import Metric

from dohproxy.cache import Cache
from dohproxy.config import (
    CacheConfig,
    Config,
    ConnectionsConfig,
    LimitsConfig,
    ListenAddress,
    MetricsConfig,
    RouteConfig,
    UpstreamConfig,
)
from dohproxy.config.addresses import bracketed
from dohproxy.control.management_server import ManagementServer, management_metrics
from dohproxy.control.metrics_page import metrics_application
from dohproxy.control.server import admin_application
from dohproxy.descriptors import make_room
from dohproxy.doh.exchange import HttpRequest, HttpResponse
from dohproxy.doh.media import DNS_MESSAGE
from dohproxy.doh.request import RequestRules
from dohproxy.frontends.client_resolver import ClientResolver
from dohproxy.frontends.connections import Connections
from dohproxy.frontends.frontend_metrics import address_metrics, connection_metrics, loop_metrics, request_cache_metrics
from dohproxy.frontends.handshake_scheduler import HandshakeScheduler
from dohproxy.frontends.health_listener import HealthListener, LoopDelay
from dohproxy.frontends.http1.connection import Http1Server
from dohproxy.frontends.http2.connection import Http2Server
from dohproxy.frontends.listener import Listener
from dohproxy.frontends.opener import Opener
from dohproxy.frontends.protocol_chooser import Frontends
from dohproxy.frontends.request_cache import RequestCache
from dohproxy.frontends.service import Service
from dohproxy.http2.limits import Http2Limits
from dohproxy.jobs.cache_file import CacheFile
from dohproxy.jobs.certificate_watch import CertificateWatch, watch_forever
from dohproxy.jobs.job_metrics import cache_file_metrics, certificate_metrics, suffix_list_metrics
from dohproxy.jobs.suffix_watch import SuffixWatch, installed_list, watch_list_forever
from dohproxy.observability.front_proxy import FrontProxyWatch, front_proxy_metrics, notify
from dohproxy.observability.left_out import WorkaroundWatch, all_words, left_out_metrics
from dohproxy.observability.logs import RateLimit
from dohproxy.observability.metrics import Metrics, counter
from dohproxy.observability.process_metrics import process_metrics
from dohproxy.observability.sources import (
    cache_metrics,
    connection_limiter_metrics,
    domain_metrics,
    probe_metrics,
    rebinding_metrics,
    request_limiter_metrics,
    resolver_metrics,
    route_metrics,
)
from dohproxy.observability.upstream_alerts import UpstreamWatch, alert_metrics, alerts
from dohproxy.outcomes import Client, Frontend
from dohproxy.pipeline import Pipeline, learn_into
from dohproxy.policy.connection_limiter import ConnectionLimiter, affordable
from dohproxy.policy.gcra import SLOT_BYTES, Gcra, GcraTable
from dohproxy.policy.identity import Identities
from dohproxy.policy.limits import ClientLimit, buffer_bytes, build_client_limit
from dohproxy.policy.names import NameRules, build_name_rules
from dohproxy.policy.priorities import FAIR_SHARE, Priorities
from dohproxy.policy.request_limiter import RequestLimiter
from dohproxy.policy.seniority import Seniority
from dohproxy.routes import Route
from dohproxy.service_manager.activation import PUBLIC_KEY, InheritedSockets
from dohproxy.service_manager.notification import ServiceManager
from dohproxy.service_manager.watchdog import ping_forever
from dohproxy.tls.policy import bare_context
from dohproxy.tls.self_check import check_groups
from dohproxy.tools.healthcheck import LOCALHOST_QUERY
from dohproxy.upstream.budget.groups import BudgetGroups
from dohproxy.upstream.resolver import Resolver
from dohproxy.upstream.resolvers import Resolvers
from dohproxy.upstream.root_question import apex_question
from dohproxy.upstream.statistics import ResolverStatistics
from dohproxy.wire.name import from_text

SWEEP_SECONDS: Final = 1.0
"""Between two looks at all connections; deadlines are whole seconds, and a look at 10,000 costs some 10 ms."""
SECRET_BYTES: Final = 32
"""Of the key under which client addresses are hashed; made anew at each start and never written."""

_log = structlog.get_logger("dohproxy.runtime")
clock: Final = time.monotonic
"""The one clock: event loops run on it too, so deadlines of the core are deadlines of the loop."""


def _client_limit(limits: LimitsConfig, per_second: float, burst: float) -> ClientLimit:
    """Return a limit for clients and their networks, over memory that a forked worker would share."""
    tables = [memoryview(mmap.mmap(-1, buffer_bytes(limits.table_slots))) for _ in range(3)]
    return build_client_limit(
        *tables,
        per_second=per_second,
        burst=burst,
        network_factor=limits.network_factor,
        site_factor=limits.site_factor,
    )


def _total_limit(per_second: float, burst: float) -> Gcra:
    return Gcra(memoryview(mmap.mmap(-1, SLOT_BYTES)), per_second=per_second, burst=burst)


def build_priorities(limits: LimitsConfig, upstreams: Sequence[UpstreamConfig]) -> Priorities:
    """Return who goes first; a fair share is one of what all upstreams together may be asked."""
    budgets = {one.group or f"#{number}": one for number, one in enumerate(upstreams)}.values()
    shares = GcraTable(
        memoryview(mmap.mmap(-1, buffer_bytes(limits.table_slots))),
        per_second=FAIR_SHARE * sum(one.queries_per_second for one in budgets),
        burst=max(1.0, FAIR_SHARE * sum(one.burst for one in budgets)),
    )
    return Priorities(Seniority(memoryview(mmap.mmap(-1, buffer_bytes(limits.table_slots)))), shares)


def build_request_limiter(limits: LimitsConfig, upstreams: Sequence[UpstreamConfig]) -> RequestLimiter:
    """Return the limits on requests."""
    return RequestLimiter(
        _client_limit(limits, limits.requests_per_second, limits.requests_burst),
        _client_limit(limits, limits.misses_per_second, limits.misses_burst),
        _total_limit(limits.total_requests_per_second, limits.total_requests_burst),
        limits.waiting_misses,
        build_priorities(limits, upstreams),
    )


def build_connection_limiter(connections: ConnectionsConfig, limits: LimitsConfig) -> ConnectionLimiter:
    """Return the limits on connections."""
    return ConnectionLimiter(
        _client_limit(limits, connections.new_per_second_per_client, connections.new_burst_per_client),
        _total_limit(connections.new_per_second, connections.new_burst),
        max_per_client=connections.max_per_client,
        max_per_network=connections.max_per_network,
        max_handshakes=connections.max_handshakes,
    )


def hold_strangers(
    connection_limiter: ConnectionLimiter, connections: ConnectionsConfig, handshake_seconds: float
) -> None:
    """Let strangers open as many connections as handshakes at this price allow."""
    allowance = affordable(
        connections.new_per_second, connections.new_burst, handshake_seconds, connections.stranger_handshake_percent
    )
    connection_limiter.hold_strangers(allowance, memoryview(mmap.mmap(-1, SLOT_BYTES)))


def build_names(config: Config) -> NameRules:
    """Return the rules about names, by the list installed with the program."""
    tables = [memoryview(mmap.mmap(-1, buffer_bytes(config.limits.table_slots))) for _ in range(2)]
    return build_name_rules(
        config.names,
        installed_list(),
        *tables,
        secret=os.urandom(SECRET_BYTES),
        negative_ttl_max=config.cache.negative_ttl_max_seconds,
    )


@dataclass(frozen=True, slots=True)
class Core:
    """What one process holds besides its sockets."""

    cache: Cache
    request_limiter: RequestLimiter
    names: NameRules
    suffixes: SuffixWatch
    resolver: Resolvers
    metrics: Metrics
    service: Service


def build_core(config: Config, tasks: asyncio.TaskGroup, observe: Callable[[Client], None] = lambda _: None) -> Core:
    """Return everything behind the frontends; the upstreams' tasks run in `tasks`."""
    request_limiter = build_request_limiter(config.limits, config.general_upstreams)
    names = build_names(config)
    cache = Cache(config.cache, random.SystemRandom().random, names.undelegated.is_listed, names.judge)
    suffixes = SuffixWatch(config.names, names, time.time())
    metrics = Metrics()
    learn = learn_into(cache, names.domains, clock)
    rng = random.SystemRandom()
    budgets = BudgetGroups(clock(), rng.random)
    resolver = Resolver(config.general_upstreams, config.resolver, learn, tasks, clock, rng, budgets=budgets)
    routes = [build_route(config, route, names, tasks, budgets) for route in config.routes]
    metrics.add_source(lambda: route_metrics([route.cache.statistics() for route in routes]))
    rules = RequestRules(config.server.path, config.server.max_query_bytes, config.dialects.actions)
    pipeline = Pipeline(
        rules,
        request_limiter,
        names,
        cache,
        resolver,
        tally=metrics.tally,
        clock=clock,
        deadline_seconds=config.resolver.deadline_seconds,
        routes={
            from_text(domain): route
            for configured, route in zip(config.routes, routes, strict=True)
            for domain in configured.domains
        },
    )
    resolvers = Resolvers(resolver, [route.resolver for route in routes])
    return Core(cache, request_limiter, names, suffixes, resolvers, metrics, Service(pipeline, observe))


def build_route(
    config: Config, route: RouteConfig, names: NameRules, tasks: asyncio.TaskGroup, budgets: BudgetGroups
) -> Route:
    """Return one route, with a cache and a line of its own.

    The limits on single domains keep one from using up what others share: so they hold there only if the budget is also
    that of the general upstreams, by a group.
    """
    upstreams, rng = config.upstreams_of(route), random.SystemRandom()
    groups = {one.group for one in config.general_upstreams if one.group}
    is_shared = any(one.group in groups for one in upstreams)
    rules = replace(config.cache, max_megabytes=route.cache_megabytes)
    cache = Cache(rules, rng.random, names.undelegated.is_listed)
    resolver = Resolver(
        upstreams,
        config.resolver,
        learn_into(cache, names.domains if is_shared else None, clock),
        tasks,
        clock,
        rng,
        question=apex_question(from_text(route.domains[0])),
        budgets=budgets,
    )
    return Route(cache, resolver, is_general=False, limits_domains=is_shared)


def http2_limits(config: Config) -> Http2Limits:
    """Return the limits of HTTP/2 connections; what HTTP/1.1 has too is configured once for both."""
    return Http2Limits(max_body_bytes=config.server.max_query_bytes, max_requests=config.connections.max_requests)


async def serve(config: Config, announce: Callable[[tuple[str, ...]], None], log_limit: RateLimit) -> None:
    """Serve until SIGTERM or SIGINT, then drain.

    `announce` is called once everything listens, with the addresses as bound. Raises ConfigError if an address or the
    certificate cannot be used, LimitsNotInForce if OpenSSL does not enforce a limit.
    """
    manager = ServiceManager.from_environment(os.environ, os.getpid(), clock)
    inherited = InheritedSockets.from_environment(os.environ, os.getpid())
    config = make_room(config)
    tls = None if config.tls is None else bare_context()
    # Read once, and before a client may come: files that change from here on are a renewal like any other.
    certificate = _load_certificate(config, tls)
    with contextlib.ExitStack() as sockets:
        sockets.callback(inherited.close)
        open_one = Opener(inherited, sockets, config.connections.write_seconds)
        listening = [open_one(PUBLIC_KEY, address) for address in config.server.listen]
        management_servers = _open_management(config, open_one)
        for warning in open_one.warnings():
            _log.warning("inherited sockets", why=str(warning))
        stop = _stop_on_signals()
        asyncio.get_running_loop().set_exception_handler(_log_unheard)
        async with asyncio.TaskGroup() as tasks:
            identities = Identities(
                os.urandom(SECRET_BYTES), config.limits.exempt_networks, config.clients.member_networks
            )
            client_resolver = ClientResolver(identities, config.clients)
            watch = FrontProxyWatch(config.clients, client_resolver.statuses, clock())
            core = build_core(config, tasks, watch.observe)
            core.metrics.add_source(lambda: front_proxy_metrics(watch.findings()))
            register = Connections(config.connections)
            http1 = Http1Server(
                core.service, client_resolver, register, clock, max_query_bytes=config.server.max_query_bytes
            )
            http2 = Http2Server(core.service, client_resolver, register, clock, http2_limits(config))
            connection_limiter = build_connection_limiter(config.connections, config.limits)
            if certificate is not None:
                certificate.when_priced(partial(hold_strangers, connection_limiter, config.connections))
            loop = asyncio.get_running_loop()
            scheduler = HandshakeScheduler(
                loop.call_soon, loop.call_later, config.connections.stranger_handshake_percent
            )
            frontends = Frontends(http1.frontend, http2.frontend, register, clock)
            known = {Frontend.HTTP1: http1.known, Frontend.HTTP2: http2.requests.known}
            _add_sources(core, register, connection_limiter, client_resolver, known, log_limit)
            delay = LoopDelay()
            core.metrics.add_source(lambda: loop_metrics(scheduler.waiting, delay.seconds))
            health = HealthListener(partial(_answers, core, config.server.path), delay)
            await health.start(config.server.listen[0])
            side_servers = await _start_management(management_servers, core, config.metrics)
            cache_file = await _load_cache(config.cache, core)
            listeners = [
                Listener(one, frontends.open, register, client_resolver, tls, connection_limiter, scheduler)
                for one in listening
            ]
            serving = f"serves on {', '.join(_bound_address(one) for one in listening)}"
            tell = partial(_tell_status, manager, serving)
            background = [tasks.create_task(_sweep_forever(register, watch, core.resolver, tell))]
            background.append(tasks.create_task(ping_forever(manager)))
            background.append(tasks.create_task(delay.watch_forever()))
            background += _watch_certificate(config, certificate, core.metrics, tasks)
            background.append(tasks.create_task(watch_list_forever(core.suffixes, config.names.reload_seconds)))
            if cache_file is not None:
                background.append(tasks.create_task(cache_file.save_forever(config.cache.snapshot_seconds)))
            background += [tasks.create_task(listener.accept_forever()) for listener in listeners]
            _reload_on_signal(manager, certificate)
            announce(tuple(_bound_address(one) for one in listening))
            manager.ready(serving)
            await stop.wait()
            manager.stopping("finishes the requests under way, and takes nothing new")
            _log.info("stopping: requests under way are finished, nothing new is taken")
            for listener in listeners:
                listener.stop()
                listener.listening.close()
            await _drain(register)
            for task in background:
                task.cancel()
            await core.resolver.close()
            if cache_file is not None:
                await cache_file.save_last()
            health.stop()
            for frontend in side_servers:
                await frontend.stop()


async def _drain(register: Connections) -> None:
    register.drain()
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(register.limits.drain_seconds):
            await register.wait_empty()
    register.cut()


async def _sweep_forever(
    register: Connections, watch: FrontProxyWatch, resolver: Resolvers, tell: Callable[[ResolverStatistics], None]
) -> None:
    upstreams, additions = UpstreamWatch(), WorkaroundWatch()
    while True:
        await asyncio.sleep(SWEEP_SECONDS)
        register.sweep(clock())
        notify(watch.news(clock()))
        resolver.tick()
        statistics = resolver.statistics(clock())
        upstreams.poll(statistics, clock(), time.time())
        additions.poll(statistics)
        tell(statistics)


def _tell_status(manager: ServiceManager, serving: str, statistics: ResolverStatistics) -> None:
    """Tell the service manager how the service is: where it serves, and what is wrong with upstreams."""
    found = [alert.words for alert in alerts(statistics, clock(), time.time()) if not alert.is_harmless]
    manager.tell("; ".join([serving, *found]))


def _reload_on_signal(manager: ServiceManager, certificate: CertificateWatch | None) -> None:
    """Look at the certificate at once on SIGHUP, of which a process without a handler dies."""

    def reload() -> None:
        with manager.reloading():
            if certificate is not None:
                certificate.poll(time.time())

    asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, reload)


async def _load_cache(rules: CacheConfig, core: Core) -> CacheFile | None:
    """Bring the cache back from its file, if it has one; return that. Without a warm cache every name is new."""
    cache_file, is_warm = None, False
    if rules.snapshot_file is not None:
        cache_file = CacheFile(rules.snapshot_file, core.cache, clock)
        core.metrics.add_source(lambda: cache_file_metrics(cache_file.statistics()))
        is_warm = await cache_file.load()
    if not is_warm:
        core.resolver.begin_slowly()
    return cache_file


def _load_certificate(config: Config, tls: ssl.SSLContext | None) -> CertificateWatch | None:
    """Load the certificate into the listeners' context and return the watch over it, None for plain HTTP."""
    if tls is None or config.tls is None:
        return None
    watch = CertificateWatch(config.tls, config.server.host, tls)
    if not check_groups(tls):
        _log.warning("OpenSSL can be told one group only: for most clients a handshake takes a round trip more")
    return watch


def _watch_certificate(
    config: Config, watch: CertificateWatch | None, metrics: Metrics, tasks: asyncio.TaskGroup
) -> list[asyncio.Task[None]]:
    """Keep the certificate to what lies on the disk, if there is one."""
    if watch is None or config.tls is None:
        return []
    metrics.add_source(lambda: certificate_metrics(watch.statistics()))
    return [tasks.create_task(watch_forever(watch, config.tls.reload_seconds))]


def _stop_on_signals() -> asyncio.Event:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    return stop


def _log_unheard(_: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Log a bug in a callback, which nobody else hears of. What the network does is no bug, and not logged."""
    error = context.get("exception")
    if error is not None and not isinstance(error, OSError):
        _log.error("a callback met a bug", exc_info=error)


# --- Metrics and admin ---


def _answers(core: Core, path: str) -> bool:
    """Tell whether a question for localhost is answered; it is nobody's, and no client's limit is asked."""
    pipeline = core.service.pipeline
    parsed = pipeline.read(HttpRequest("POST", path, LOCALHOST_QUERY, content_type=DNS_MESSAGE), Frontend.HTTP1)
    response = pipeline.begin(parsed, Client(b"", (), exempt=True), clock())
    return isinstance(response, HttpResponse) and response.status == http.HTTPStatus.OK


def _open_management(config: Config, open_one: Opener) -> dict[str, socket.socket]:
    """Bind the metrics and admin listeners that are configured, before anything is served."""
    opened = {}
    if config.metrics is not None:
        opened["metrics"] = open_one("metrics.listen", config.metrics.listen)
    if config.admin is not None:
        address = ListenAddress("unix", path=str(config.admin.socket))
        opened["admin"] = open_one("admin.socket", address)
    return opened


async def _start_management(
    management_servers: dict[str, socket.socket], core: Core, config: MetricsConfig | None
) -> list[ManagementServer]:
    started = []
    for name, opened in management_servers.items():
        if name == "metrics" and config is not None:
            application = metrics_application(core.metrics, pages_per_second=config.pages_per_second)
        else:
            application = admin_application(lambda: _snapshot(core))
        frontend = ManagementServer(application)
        await frontend.start(opened)
        started.append(frontend)
    core.metrics.add_source(lambda: management_metrics([frontend.count for frontend in started]))
    return started


def _add_sources(
    core: Core,
    register: Connections,
    connection_limiter: ConnectionLimiter,
    client_resolver: ClientResolver,
    known: Mapping[Frontend, RequestCache],
    log_limit: RateLimit,
) -> None:
    metrics = core.metrics
    metrics.add_source(lambda: cache_metrics(core.cache.statistics()))
    metrics.add_source(lambda: request_limiter_metrics(core.request_limiter.statistics(clock())))
    metrics.add_source(lambda: domain_metrics(core.names.domains.statistics(clock())))
    rebinding = core.names.rebinding
    if rebinding is not None:
        metrics.add_source(lambda: rebinding_metrics(rebinding.withheld))
    metrics.add_source(lambda: probe_metrics(core.names.probes.statistics()))
    metrics.add_source(lambda: suffix_list_metrics(core.suffixes.statistics(time.time())))
    metrics.add_source(lambda: _upstream_metrics(core.resolver, clock(), time.time()))
    metrics.add_source(lambda: connection_metrics(register.statistics()))
    metrics.add_source(lambda: request_cache_metrics(known))
    metrics.add_source(lambda: connection_limiter_metrics(connection_limiter.statistics(clock())))
    metrics.add_source(lambda: address_metrics(client_resolver.statuses))
    metrics.add_source(
        lambda: [counter("dohproxy_log_lines_dropped", "Log lines over their rate.", log_limit.swallowed)]
    )
    metrics.add_source(process_metrics)


def _upstream_metrics(resolver: Resolvers, now: float, wall: float) -> Iterator[Metric]:
    """Yield all that there is to say of upstreams, as of one moment."""
    statistics = resolver.statistics(now)
    yield from resolver_metrics(statistics)
    yield from alert_metrics(statistics, now, wall)
    yield from left_out_metrics(statistics)


def _snapshot(core: Core) -> dict[str, Any]:
    """Return what the admin socket's /status shows."""
    now = clock()
    resolver = core.resolver.statistics(now)
    return {
        "cache": asdict(core.cache.statistics()),
        "limits": asdict(core.request_limiter.statistics(now)),
        "domains": asdict(core.names.domains.statistics(now)),
        "upstreams": [asdict(upstream) for upstream in resolver.upstreams],
        "alerts": [alert.words for alert in alerts(resolver, now, time.time())],
        "left_out": all_words(resolver),
    }


def _bound_address(listening: socket.socket) -> str:
    """Return where a socket listens, with the port that the system chose for port 0."""
    name = listening.getsockname()
    if listening.family == socket.AF_UNIX:
        return f"unix:{name}"
    return f"{bracketed(name[0])}:{name[1]}"
