"""The server: all that stands between listening sockets and the upstreams, wired in one place.

The runtime gives it sockets. Benchmarks and tests give it bytes, and a clock of their own.
"""

import asyncio
import secrets
import socket
import ssl
from collections.abc import Callable
from dataclasses import replace
from functools import partial

from dohproxy.builders import build_connection_limiter, clock, http2_limits
from dohproxy.config import Config
from dohproxy.control.explain import Owners
from dohproxy.core import Core
from dohproxy.frontends.ban_sweep import BanSweep
from dohproxy.frontends.client_resolver import ClientResolver
from dohproxy.frontends.connections import Connections
from dohproxy.frontends.dot.connection import DotServer
from dohproxy.frontends.frontend_figures import (
    ADDRESS_FIGURES,
    CONNECTION_FIGURES,
    PAGE_FIGURES,
    REQUEST_CACHE_FIGURES,
)
from dohproxy.frontends.handshake_scheduler import HandshakeScheduler
from dohproxy.frontends.http1.connection import Http1Server
from dohproxy.frontends.http2.connection import Http2Server
from dohproxy.frontends.listener import Listener
from dohproxy.frontends.protocol_chooser import Frontends
from dohproxy.jobs.alert_readings import Owners as AlertOwners
from dohproxy.jobs.blocklist_watch import Prepared
from dohproxy.jobs.suffix_watch import ReadSuffixes
from dohproxy.learning import Shares
from dohproxy.observability.alert_figures import VISITOR_FIGURES
from dohproxy.observability.front_proxy import FRONT_PROXY_FIGURES, FrontProxyWatch
from dohproxy.observability.limit_figures import CONNECTION_LIMIT_FIGURES, MEMBER_NETWORK_FIGURES, SLOT_FIGURES
from dohproxy.outcomes import Frontend
from dohproxy.policy.ban_table import Ban
from dohproxy.policy.fair_slots import FairSlotsStatistics
from dohproxy.policy.identity import Identities
from dohproxy.policy.member_network_state import export_member_networks, restore_member_networks
from dohproxy.policy.visitors import Visitors
from dohproxy.saved import Interruption, Saved
from dohproxy.tls.asked_name import asked_name
from dohproxy.workers.seat import SOLE, Seat


class Server:
    """Who a client is, what connections may hold, both frontends, and the core behind them."""

    def __init__(
        self,
        config: Config,
        tasks: asyncio.TaskGroup,
        secret: bytes,
        *,
        clock: Callable[[], float] = clock,
        shares: Shares | None = None,
        seat: Seat = SOLE,
    ) -> None:
        """Client addresses are hashed under `secret`; the upstreams' tasks run in `tasks`. `clock` must be the running
        event loop's. `shares` has other nodes know what is learnt, and of what is configured this process has the part
        of its `seat`. Raises OSError if an upstream's authorities are unreadable."""
        self._clock = clock
        self._seat = seat
        config = seat.part(config)
        self.visitors = Visitors(partial(secrets.randbits, 64), clock())
        self.identities = Identities(
            secret, config.limits.exempt_networks, config.clients.member_networks, self.visitors.note
        )
        self.client_resolver = ClientResolver(self.identities, config.clients)
        self.front_proxy = FrontProxyWatch(config.clients, self.client_resolver.statuses, clock())
        self.core = Core(
            config, tasks, self.front_proxy.observe, self.identities, clock=clock, shares=shares, seat=seat
        )
        self.connections = Connections(config.connections)
        standings = self.core.request_limiter.standings
        self.connection_limiter = build_connection_limiter(
            config.connections,
            config.limits,
            standings,
            self.client_resolver.member_networks,
            self.core.switches,
            seat.tables,
        )
        loop = asyncio.get_running_loop()
        self.handshakes = HandshakeScheduler(
            loop.call_soon, loop.call_later, config.connections.stranger_handshake_percent
        )
        self._sweep = BanSweep(self.core.bans, self.connections, clock, loop.call_later)
        self.note_ban: Callable[[Ban, float], None] = lambda _ban, _now: None
        """Called with each ban that holds, when it begins."""

        self.core.bans.when_banned = self.begin_ban
        service = self.core.service
        self.http1 = Http1Server(
            service, self.client_resolver, self.connections, clock, max_query_bytes=config.server.max_query_bytes
        )
        self.http2 = Http2Server(service, self.client_resolver, self.connections, clock, http2_limits(config))
        self.dot = DotServer(
            service,
            self.client_resolver,
            self.connections,
            clock,
            max_query_bytes=config.server.max_query_bytes,
            max_in_flight=config.dot.max_in_flight,
            host=config.dot_host,
            name_of=lambda transport: asked_name(transport.get_extra_info("ssl_object")),
        )
        self._frontends = Frontends(
            self.http1.frontend, self.http2.frontend, self.dot.frontend, self.connections, clock
        )
        self._add_figures()

    def adopt(self, config: Config, suffixes: ReadSuffixes | None = None, blocklists: Prepared | None = None) -> None:
        """Take another configuration that has been checked, on open connections too; `suffixes` is its list of public
        suffixes, if it names one, `blocklists` what its lists have come to."""
        config = self._seat.part(config)
        self.identities.adopt(config.limits.exempt_networks, config.clients.member_networks)
        self.client_resolver.adopt(config.clients)
        self.front_proxy.adopt(config.clients)
        self.connections.adopt(config.connections)
        self.handshakes.adopt(config.connections.stranger_handshake_percent)
        self.http1.max_query_bytes = config.server.max_query_bytes
        self.http2.adopt(http2_limits(config))
        self.dot.adopt(
            max_query_bytes=config.server.max_query_bytes,
            max_in_flight=config.dot.max_in_flight,
            host=config.dot_host,
        )
        self.core.adopt(config, suffixes, blocklists)
        # After the core, which has told the switches of its rules.
        self.connection_limiter.adopt(config.connections, config.limits, self._clock())
        self.connections.identify_all()

    def begin_ban(self, ban: Ban, now: float) -> None:
        """Close the connections of those who are banned from now on, and tell who wants to know."""
        self._sweep.begin()
        self.note_ban(ban, now)

    def adopt_tokens(self, tokens: frozenset[bytes]) -> None:
        """Take other members' tokens, by their digests, on open connections too; what is known by those that are gone
        is forgotten."""
        gone = self.core.service.rules.tokens - tokens
        self.core.service.adopt_tokens(tokens)
        self.client_resolver.member_networks.forget(gone)
        self.connections.keep_members(tokens)

    def export(self, now: float) -> Saved:
        """Return where members have come from."""
        return export_member_networks(self.client_resolver.member_networks, self.core.service.rules.tokens, now)

    def restore(self, saved: Saved, interruption: Interruption) -> None:
        """Go on with what another process has exported, of those who are members still: the tokens have to be known."""
        tokens, has_certificates = self.core.service.rules.tokens, self.core.config.clients.member_ca_file is not None
        restore_member_networks(
            self.client_resolver.member_networks,
            saved,
            lambda digest, is_token: digest in tokens if is_token else has_certificates,
            interruption,
            self._clock(),
        )

    def listener(self, listening: socket.socket, tls: ssl.SSLContext | None, *, speaks_dot: bool = False) -> Listener:
        """Return who accepts on a listening socket and leads each connection to its frontend; without `tls` in the
        clear. `speaks_dot`: what is spoken by who does not say. The socket stays the caller's."""
        return Listener(
            listening,
            self._frontends.open_dot if speaks_dot else self._frontends.open,
            self.connections,
            self.client_resolver,
            tls,
            self.connection_limiter,
            self.handshakes,
            self.core.penalties,
        )

    def shared_slots(self) -> dict[str, FairSlotsStatistics]:
        """Return the bounds that all clients share, by name: those for which room is made when they are full."""
        return {
            "connections": self.connections.slots.statistics(),
            "handshakes": self.connection_limiter.handshakes.statistics(),
            "misses": self.core.request_limiter.slots.statistics(),
        }

    def alert_owners(self) -> AlertOwners:
        """Return whose counters the detectors look at, as far as they are here."""
        core = self.core
        return AlertOwners(
            tallies=core.tallies.all,
            resolver=lambda now: core.resolver.statistics(now),
            request_limiter=core.request_limiter.statistics,
            connection_limiter=self.connection_limiter.statistics,
            connections=self.connections.statistics,
            domains=lambda now: core.names.domains.statistics(now),
            probes=lambda: core.names.probes.statistics(),
            visitors=self.visitors.statistics,
            members=core.pipeline.members.statistics,
        )

    def owners(self) -> Owners:
        """Return those whom the walk asks, and who knows where members' tokens come from."""
        return replace(self.core.owners(), knows=self.client_resolver.member_networks.knows)

    def sweep(self) -> None:
        """Look at all connections, and close those whose time is over; clear away bans that have ended. To be called
        once a second."""
        self.core.bans.expire(self._clock())
        self.connections.sweep(self._clock())

    async def close(self) -> None:
        """End all fetches and probes, and close all connections to upstreams. Those of clients must have ended."""
        await self.core.close()

    def _add_figures(self) -> None:
        add = self.core.figures.add
        known = {
            Frontend.HTTP1: self.http1.known,
            Frontend.HTTP2: self.http2.requests.known,
            Frontend.DOT: self.dot.requests.known,
        }
        add(VISITOR_FIGURES, self.visitors.statistics)
        add(FRONT_PROXY_FIGURES, self.front_proxy.findings)
        add(CONNECTION_FIGURES, self.connections.statistics)
        add(REQUEST_CACHE_FIGURES, lambda: known)
        add(PAGE_FIGURES, self.core.service.pages.statistics)
        add(CONNECTION_LIMIT_FIGURES, lambda: self.connection_limiter.statistics(self._clock()))
        add(SLOT_FIGURES, self.shared_slots)
        add(MEMBER_NETWORK_FIGURES, lambda: self.client_resolver.member_networks)
        add(ADDRESS_FIGURES, lambda: self.client_resolver.statuses)
