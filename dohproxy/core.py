"""Everything behind the frontends: the walk, and what it asks; built from a configuration, and told of another one."""

import asyncio
import os
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from dohproxy.builders import (
    SECRET_BYTES,
    build_names,
    build_penalties,
    build_request_limiter,
    clock,
    fair_share,
)
from dohproxy.cache import Cache
from dohproxy.config import Config, RouteConfig, UpstreamConfig
from dohproxy.control.explain import Owners
from dohproxy.doh.request import RequestRules
from dohproxy.frontends.service import Service
from dohproxy.jobs.blocklist_watch import BlocklistWatch, Prepared
from dohproxy.jobs.job_figures import BLOCKLIST_FIGURES, HAND_BLOCK_FIGURES, SUFFIX_FIGURES
from dohproxy.jobs.suffix_watch import ReadSuffixes, SuffixWatch
from dohproxy.jobs.turns import in_turns
from dohproxy.learning import Others, Shares, learn_into
from dohproxy.observability.ban_figures import BAN_FIGURES, PENALTY_FIGURES
from dohproxy.observability.cache_figures import CACHE_FIGURES, ROUTE_FIGURES
from dohproxy.observability.figures import FigureRegistry
from dohproxy.observability.limit_figures import DOMAIN_FIGURES, PROBE_FIGURES, REBINDING_FIGURES, REQUEST_LIMIT_FIGURES
from dohproxy.observability.member_figures import MEMBER_QUESTION_FIGURES
from dohproxy.observability.request_figures import REQUEST_FIGURES
from dohproxy.observability.rule_figures import RULE_FIGURES
from dohproxy.observability.tallies import Tallies
from dohproxy.observability.upstream_figures import BUDGET_FIGURES, UPSTREAM_FIGURES
from dohproxy.outcomes import Client
from dohproxy.pipeline import Pipeline
from dohproxy.policy.ban_state import export_bans, restore_bans
from dohproxy.policy.identity import Identities
from dohproxy.policy.rule_switches import Rule, RuleSwitches
from dohproxy.routes import Route, Routes
from dohproxy.saved import Interruption, Saved, read_dict
from dohproxy.upstream.budget.groups import BudgetGroups
from dohproxy.upstream.resolver import Resolver
from dohproxy.upstream.resolvers import Resolvers
from dohproxy.upstream.root_question import PROBE, apex_question
from dohproxy.wire.name import from_text
from dohproxy.workers.seat import SOLE, Seat


@dataclass(frozen=True, slots=True)
class _OwnRoute:
    """A route for some domains, and the resolver behind it, which the route knows as no more than the walk asks for."""

    route: Route
    resolver: Resolver


class Core:
    """What one process holds besides its sockets. The upstreams' tasks run in `tasks`."""

    def __init__(
        self,
        config: Config,
        tasks: asyncio.TaskGroup,
        observe: Callable[[Client], None] = lambda _: None,
        identities: Identities | None = None,
        *,
        clock: Callable[[], float] = clock,
        shares: Shares | None = None,
        seat: Seat = SOLE,
    ) -> None:
        """`observe` is told of each request's client, all of which `identities` have made; tests do without. `clock`
        must be the event loop's. `shares` has other nodes know what is learnt, `seat` this process's part of what is
        configured. Raises OSError if an upstream's authorities are unreadable."""
        self._clock = clock
        self._shares = shares
        self._seat = seat
        self.config = config
        self._tasks = tasks
        self._draw = random.SystemRandom()
        self._finishing: set[asyncio.Task[None]] = set()
        self.switches = RuleSwitches(config.rules, clock())
        self.request_limiter = build_request_limiter(
            config.limits, config.general_upstreams, self.switches, seat.tables
        )
        identities = Identities(os.urandom(SECRET_BYTES)) if identities is None else identities
        self.penalties = build_penalties(
            config.bans, config.limits, identities.prefix_hashes, self.switches[Rule.BANS], seat.tables
        )
        self.bans = self.penalties.bans
        self.names = build_names(config, self.switches, seat.tables, seat.secret)
        self.cache = Cache(config.cache, self._draw.random, self.names.undelegated.is_listed, self.names.judge)
        self.suffixes = SuffixWatch(config.names, self.names, time.time())
        self.budgets = BudgetGroups(clock(), self._draw.random)
        self.tallies = Tallies()
        self.figures = FigureRegistry()
        self._general = self._build_resolver(config, None)
        self._routes = {route.domains: self._build_route(config, route, None) for route in config.routes}
        self.resolver = self._together()
        self.pipeline = Pipeline(
            self.request_limiter,
            self.names,
            self._routes_of_names(),
            tally=self.tallies.tally,
            clock=clock,
            deadline_seconds=config.resolver.deadline_seconds,
            penalties=self.penalties,
            switches=self.switches,
        )
        self.service = Service(self.pipeline, request_rules(config), observe)
        self.service.pages.adopt(config.pages, clock())
        self.blocklists = BlocklistWatch(
            config.blocklists, self.names.blocklists, self.pipeline.rules_changed, time.time()
        )
        self._add_figures()

    def adopt(self, config: Config, suffixes: ReadSuffixes | None = None, blocklists: Prepared | None = None) -> None:
        """Take another configuration that has been checked; `suffixes` is its list, if it names one, `blocklists` what
        its lists hold, None if they are those of now.

        Limits, names and cache are told; upstreams that stay keep what is known of them, and what is under way with
        the others is finished.
        """
        now = self._clock()
        self.switches.adopt(config.rules, now)
        self.request_limiter.adopt(config.limits, fair_share(config.general_upstreams), now)
        self.penalties.adopt(config.bans, now)
        self.names.adopt(config.names, config.cache.negative_ttl_max_seconds, now)
        self.names.discovery.adopt(config)
        self.suffixes.adopt(config.names, suffixes, time.time())
        if blocklists is not None:
            self.blocklists.adopt(blocklists, time.time())
        self.cache.adopt(config.cache)
        self.budgets.begin_reload(now)
        paused = self.resolver.paused(now)
        before, general = self._routes, self._general
        self._general = self._build_resolver(config, general)
        self._routes = {}
        for route in config.routes:
            self._routes[route.domains] = self._build_route(config, route, before.pop(route.domains, None))
        for gone in before.values():
            self._finish(gone.resolver, self._general)
        self.budgets.end_reload()
        self._finish(general, self._general)
        self.resolver = self._together()
        # One whose address has changed is another one, and left alone all the same: it was meant by its name.
        for name, since in paused.items():
            self.resolver.stay_paused(name, since)
        self.config = config
        self.pipeline.adopt(self.names, self._routes_of_names(), config.resolver.deadline_seconds)
        self.service.pages.adopt(config.pages, now)
        self.service.adopt(replace(request_rules(config), tokens=self.service.rules.tokens))

    def use_certificate(self, covers: Callable[[str], bool]) -> None:
        """Tell clients of the service as far as its certificate, by `covers`, is for its name."""
        if self.names.discovery.use(covers):
            self.pipeline.rules_changed()

    def owners(self) -> Owners:
        """Return those whom the walk asks, for who wants to know what they would say."""
        return Owners(
            self.request_limiter,
            self.names,
            self._routes_of_names(),
            self.pipeline,
            self.bans,
            switches=self.switches,
        )

    def caches(self) -> list[Cache]:
        """Return the general cache and those of all routes."""
        return [self.cache, *(one.route.cache for one in self._routes.values())]

    async def export(self, seal: Callable[[str], str], now: float) -> Saved:
        """Return what is known of the upstreams, spent of their budgets, and who is banned; `seal` hides who the
        upstreams are."""
        saved = {
            "budgets": self.budgets.export(seal, now),
            "upstreams": self.resolver.export(seal, now),
            "pauses": self.resolver.export_pauses(seal, now),
        }
        return saved | {"bans": await in_turns(export_bans(self.bans, now))}

    def restore(self, saved: Saved, seal: Callable[[str], str], interruption: Interruption) -> int:
        """Go on with what another process has exported; return with how many budgets and upstreams. Raises
        UnfitState."""
        restore_bans(self.bans, saved, interruption, self._clock())
        budgets, upstreams = read_dict(saved, "budgets"), read_dict(saved, "upstreams")
        restored = self.budgets.restore(budgets, seal, interruption)
        if "pauses" in saved:  # Not of releases that forgot them.
            self.resolver.restore_pauses(read_dict(saved, "pauses"), seal, interruption, clock())
        return restored + self.resolver.restore(upstreams, seal, interruption)

    def _build_resolver(self, config: Config, before: Resolver | None) -> Resolver:
        others = self._others(self.cache, (), config.general_upstreams)
        learn = learn_into(self.cache, self.names.domains, self._clock, others)
        return self._resolver(config, config.general_upstreams, learn, before, others=others)

    def _build_route(self, config: Config, route: RouteConfig, before: _OwnRoute | None) -> _OwnRoute:
        """Return one route, with a cache and a line of its own, or those that it had.

        The limits on single domains keep one from using up what others share: so they hold there only if the budget is
        also that of the general upstreams, by a group.
        """
        upstreams = config.upstreams_of(route)
        groups = {one.group for one in config.general_upstreams if one.group}
        is_shared = any(one.group in groups for one in upstreams)
        rules = replace(config.cache, max_megabytes=route.cache_megabytes)
        if before is None:
            cache = Cache(rules, self._draw.random, self.names.undelegated.is_listed)
        else:
            cache = before.route.cache
            cache.adopt(rules)
        others = self._others(cache, route.domains, upstreams)
        learn = learn_into(cache, self.names.domains if is_shared else None, self._clock, others)
        apex = from_text(route.domains[0])
        resolver = self._resolver(config, upstreams, learn, None if before is None else before.resolver, apex, others)
        if before is not None:
            self._finish(before.resolver, resolver)
        return _OwnRoute(Route(cache, resolver, is_general=False, limits_domains=is_shared), resolver)

    def _others(self, cache: Cache, domains: Sequence[str], upstreams: Sequence[UpstreamConfig]) -> Others | None:
        return None if self._shares is None else self._shares.of(cache, domains, upstreams)

    def _resolver(
        self,
        config: Config,
        upstreams: Sequence[UpstreamConfig],
        learn: Any,
        before: Resolver | None,
        apex: bytes | None = None,
        others: Others | None = None,
    ) -> Resolver:
        return Resolver(
            self._seat.shares(config, tuple(upstreams)),
            config.resolver,
            learn,
            self._tasks,
            self._clock,
            self._draw,
            budgets=self.budgets,
            before=before,
            question=PROBE if apex is None else apex_question(apex),
            elsewhere=others,
        )

    def _finish(self, gone: Resolver, successor: Resolver) -> None:
        task = self._tasks.create_task(gone.finish(successor))
        self._finishing.add(task)
        task.add_done_callback(self._finishing.discard)

    @property
    def finishing(self) -> int:
        """How many resolvers that were replaced have something under way."""
        return len(self._finishing)

    async def close(self) -> None:
        """End all fetches and probes, and close all connections to upstreams."""
        for task in tuple(self._finishing):
            task.cancel()
        await self.resolver.close()

    def _together(self) -> Resolvers:
        return Resolvers(self._general, [one.resolver for one in self._routes.values()])

    def _routes_of_names(self) -> Routes:
        by_domain = {from_text(domain): one.route for domains, one in self._routes.items() for domain in domains}
        return Routes(Route(self.cache, self._general), by_domain)

    def _add_figures(self) -> None:
        add = self.figures.add
        add(REQUEST_FIGURES, self.tallies.all)
        add(ROUTE_FIGURES, lambda: [one.route.cache.statistics() for one in self._routes.values()] or None)
        add(CACHE_FIGURES, lambda: self.cache.statistics())
        add(REQUEST_LIMIT_FIGURES, lambda: self.request_limiter.statistics(self._clock()))
        add(RULE_FIGURES, self.switches.statistics)
        add(BAN_FIGURES, lambda: self.bans.statistics())
        add(PENALTY_FIGURES, lambda: self.penalties.statistics(self._clock()))
        add(DOMAIN_FIGURES, lambda: self.names.domains.statistics(self._clock()))
        add(REBINDING_FIGURES, lambda: None if self.names.rebinding is None else self.names.rebinding.withheld)
        add(MEMBER_QUESTION_FIGURES, self.pipeline.members.statistics)
        add(PROBE_FIGURES, lambda: self.names.probes.statistics())
        add(SUFFIX_FIGURES, lambda: self.suffixes.statistics(time.time()))
        add(BLOCKLIST_FIGURES, lambda: self.blocklists.statistics(time.time()) or None)
        add(HAND_BLOCK_FIGURES, lambda: self.names.blocklists.by_hand)
        add(UPSTREAM_FIGURES, lambda: self.resolver.statistics(self._clock()))
        add(BUDGET_FIGURES, lambda: self.budgets.gone)


def request_rules(config: Config) -> RequestRules:
    """Return what a request must be; which tokens are valid is not known here."""
    takes_tokens = config.clients.member_file is not None
    return RequestRules(
        config.server.path,
        config.server.max_query_bytes,
        config.dialects.actions,
        takes_tokens=takes_tokens,
        any_origin=config.server.cors,
    )
