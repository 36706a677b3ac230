"""The runtime: owns all that lives while the service runs, and is the only place that wires it together."""

import asyncio
import contextlib
import signal
import socket
import ssl
import time
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final

import structlog

from dohproxy.adoption import Changes, compare
from dohproxy.builders import build_sharing, clock, hold_strangers, secret_of_clients, share_budgets
from dohproxy.cache import Cache
from dohproxy.config import Config, ConfigError, ListenAddress, Problem, located
from dohproxy.config.files import check_files, load
from dohproxy.control.console.sessions import Sessions
from dohproxy.control.explain import Owners
from dohproxy.control.hand_limits import HandLimits
from dohproxy.control.in_force import by_hand
from dohproxy.control.log_level import LogLevel
from dohproxy.control.management import Management, WorkerSide
from dohproxy.control.members import MemberBook
from dohproxy.control.mode import figures as figures_of
from dohproxy.control.nodes import seen as nodes_seen
from dohproxy.control.rules import dialects_held, rules_held
from dohproxy.control.service import OtherNodes
from dohproxy.descriptors import make_room
from dohproxy.doh.exchange import HttpRequest
from dohproxy.doh.media import DNS_MESSAGE
from dohproxy.doh.path_token import Invitation
from dohproxy.frontends.frontend_figures import (
    LOOP_FIGURES,
    LoopStatistics,
)
from dohproxy.frontends.health_listener import HealthListener, LoopDelay
from dohproxy.frontends.listener import Listener
from dohproxy.frontends.opener import Opener
from dohproxy.frontends.public_listeners import PublicListeners, places
from dohproxy.jobs.alerting import Alerting
from dohproxy.jobs.ban_exchange import BanExchange
from dohproxy.jobs.ban_log import WRITE_SECONDS, BanLog
from dohproxy.jobs.blocklist_watch import FILE_SECONDS, START_SECONDS, BlocklistStatistics
from dohproxy.jobs.certificate_watch import CertificateWatch, CheckedPair
from dohproxy.jobs.hour_book import LOOK_SECONDS as HOUR_LOOK_SECONDS
from dohproxy.jobs.job_figures import (
    BAN_LOG_FIGURES,
    CERTIFICATE_FIGURES,
    KERNEL_BAN_FIGURES,
    MEMBER_FILE_FIGURES,
    PAGE_JOB_FIGURES,
    RELOAD_FIGURES,
)
from dohproxy.jobs.kernel_bans import KernelBans
from dohproxy.jobs.member_file import POLL_SECONDS, MemberFile
from dohproxy.jobs.periodic import repeat
from dohproxy.jobs.recent_alerts import RecentAlert
from dohproxy.jobs.reload import ReloadBook, read_suffixes
from dohproxy.observability.alert_figures import ALERT_FIGURES, MESSAGE_FIGURES, MODE_FIGURES
from dohproxy.observability.detectors.reading import LOOK_SECONDS
from dohproxy.observability.figures import plain
from dohproxy.observability.front_proxy import notify
from dohproxy.observability.left_out import WorkaroundWatch, all_words
from dohproxy.observability.logs import LOG_FIGURES, RateLimit
from dohproxy.observability.machine_figures import MACHINE_FIGURES, machine_statistics
from dohproxy.observability.process_figures import BUILD_FIGURES, PROCESS_FIGURES, OpenFiles, build, process_statistics
from dohproxy.observability.tallies import Tally
from dohproxy.observability.top_talkers import TopTalkers
from dohproxy.observability.upstream_alerts import Alert, UpstreamWatch, alerts
from dohproxy.outcomes import NOBODY, Client, Frontend, Reply
from dohproxy.persistence import Persistence, open_state_key
from dohproxy.policy.ban_table import Ban
from dohproxy.policy.bans import Bans
from dohproxy.policy.mode import ModeNow
from dohproxy.publishing import page_job_of
from dohproxy.server import Server
from dohproxy.service_manager.activation import DOT_KEY, InheritedSockets
from dohproxy.service_manager.notification import ServiceManager
from dohproxy.service_manager.watchdog import ping_forever
from dohproxy.sharing.shared_cache_figures import SHARED_CACHE_FIGURES
from dohproxy.sharing.store_figures import STORE_FIGURES
from dohproxy.tools.healthcheck import LOCALHOST_QUERY
from dohproxy.upstream.resolvers import Resolvers
from dohproxy.workers.seat import SOLE, Seat

DRAIN_DELAY_SECONDS: Final = 0.1
"""Between the command to end and its being obeyed: its answer takes a millisecond."""
OPEN_FILES_SECONDS: Final = 10.0
"""Between two counts of the open files, where the kernel does not count them: no more than between two scrapes."""
SWEEP_SECONDS: Final = 1.0
"""Between two looks at all connections; deadlines are whole seconds, and a look at 10,000 costs some 10 ms."""

_log = structlog.get_logger("dohproxy.runtime")


class Runtime:
    """One running service. `run` serves until it is told to stop; `reload` and `adopt` change its rules meanwhile."""

    def __init__(
        self,
        config: Config,
        tasks: asyncio.TaskGroup,
        sockets: contextlib.ExitStack,
        *,
        file: Path | None = None,
        certificate: CertificateWatch | None = None,
        tls: ssl.SSLContext | None = None,
        log_limit: RateLimit | None = None,
        manager: ServiceManager | None = None,
        inherited: InheritedSockets | None = None,
        when_managed: Callable[[], None] = lambda: None,
        seat: Seat = SOLE,
    ) -> None:
        """Build everything but the sockets, which are closed with `sockets`, their files removed. `file` is what
        `reload` reads; `certificate` keeps that of `tls`, the context that clients meet. `manager` and `inherited` are
        whoever started this process, and what it has left to us. `when_managed` is called once scrapers and commands
        are served too. `seat` says whether this is one of several workers."""
        self._seat = seat
        configured = config
        self.config = config = seat.own(config)
        self.file = file
        self._tasks = tasks
        self._certificate = certificate
        self._log_limit = log_limit
        key = open_state_key(config.server.state_directory)
        self.sharing = build_sharing(config)
        secret = seat.secret or secret_of_clients(key, self.sharing)
        shares = None if self.sharing is None else self.sharing.routes
        self.server = Server(config, tasks, secret, shares=shares, seat=seat)
        self.core = self.server.core
        if self.sharing is not None:
            share_budgets(self.sharing, configured, self.core.budgets, lambda: self.core.resolver)
        self.top_talkers = TopTalkers(self.core.service, self.core.names.domains.domain_of)
        self._hours_directory = configured.server.state_directory
        self._ban_log = BanLog(config.bans.log_file)
        self._ban_exchange = BanExchange(self.core.bans, self.server.identities.prefix_hashes, self.server.begin_ban)
        self.server.note_ban = self._note_ban
        self._kernel_bans = self._build_kernel_bans()
        self._member_file = MemberFile(config.clients.member_file, self.server.adopt_tokens)
        self.delay = LoopDelay()
        self.open_files = OpenFiles()
        self.log_level = LogLevel(config.log.level, asyncio.get_running_loop().call_later)
        self._stop = asyncio.Event()
        self._management = Management()
        self.sessions = Sessions()
        self._when_managed = when_managed
        self.reloads = ReloadBook(time.time(), config.file_hash)
        self._manager = manager or ServiceManager(None, None, clock)
        held = inherited or InheritedSockets(())
        sockets.callback(held.close)
        self._opener = Opener(held, sockets)
        self._tls = tls
        self.listeners = PublicListeners(self._opener, self._make_listener, self._begin)
        # SIGHUP and the command may come at once; two that wait in the middle for a file would mix.
        self._reloading = asyncio.Lock()
        self.hand_limits = HandLimits(self._alter, clock)
        self._background: set[asyncio.Task[None]] = set()
        self._watches = UpstreamWatch(), WorkaroundWatch()
        self._health: HealthListener | None = None
        self.persistence = Persistence(config, key, self.core)
        self.blocks = self.persistence.blocks
        self.announcements = self.persistence.announcements
        owners = self.server.alert_owners()
        owners.files = self.persistence.statistics
        if certificate is not None:
            owners.certificate = certificate.faults
        self.alerting = Alerting(
            config, owners, self.core.pipeline, self.server.visitors, self.server.identities, clock, self.core.switches
        )
        self.mode = self.alerting.mode
        self.peers: OtherNodes | None = self._build_peers()
        self.pages = page_job_of(config, self.core, self.alerting, self.announcements)
        self._price_strangers()
        if certificate is not None:
            certificate.when_in_use(lambda chain: self.core.use_certificate(chain.server.matches))
        self._add_figures()

    # --- Serving ---

    def listen(self) -> dict[str, socket.socket]:
        """Open all listening sockets, or take those that were inherited; return those of management by name.

        Raises ConfigError if an address cannot be had.
        """
        seconds = self.config.connections.write_seconds
        self._offer_protocols()
        self.listeners.add(self.listeners.open(places(self.config), seconds))
        opened = {}
        if self.config.metrics is not None:
            opened["metrics"] = self._opener.open("metrics.listen", self.config.metrics.listen, seconds)
        if self.config.admin is not None:
            address = ListenAddress("unix", path=str(self.config.admin.socket))
            opened["admin"] = self._opener.open("admin.socket", address, seconds)
            if self.config.admin.listen is not None:
                opened["console"] = self._opener.open("admin.listen", self.config.admin.listen, seconds)
        self._tell_of_sockets()
        return opened

    def _make_listener(self, key: str, listening: socket.socket) -> Listener:
        return self.server.listener(listening, self._tls, speaks_dot=key == DOT_KEY)

    def _offer_protocols(self) -> None:
        if self._certificate is not None:
            self._certificate.offer(dot=bool(self.config.dot.listen))

    @property
    def _serving(self) -> str:
        return f"serves on {', '.join(self.listeners.bound)}"

    def _tell_of_sockets(self) -> None:
        for warning in self._opener.warnings():
            _log.warning("inherited sockets", why=str(warning))

    async def run(
        self, management: dict[str, socket.socket], announce: Callable[[tuple[str, ...]], None], stop: asyncio.Event
    ) -> None:
        """Serve until `stop` is set, then drain. `announce` is called with the addresses once clients are served."""
        self._stop = stop
        await self._member_file.poll(time.time())  # First, as what is kept of members counts for those there are.
        if self._seat.begins_empty:
            self.core.budgets.begin_empty(clock())
        await self.persistence.load_state(
            self.alerting, self.pages, self.server, handed=self._seat.saved, secret=self._seat.secret or b""
        )
        await self._begin_health()
        await self.persistence.load_cache()
        self.blocks.load(time.time())
        await self._load_blocklists()
        self._begin_jobs()
        self.listeners.accept()
        announce(self.listeners.bound)
        self._manager.ready(self._serving)
        if management or self.peers is not None:
            self._begin(self._manage(management))
        try:
            await stop.wait()
        except BaseException:
            self.listeners.stop()
            await self._let_go()
            raise
        self._manager.stopping("finishes the requests under way, and takes nothing new")
        _log.info("stopping: requests under way are finished, nothing new is taken")
        self.listeners.stop()
        await self._drain()
        if self.sharing is not None:
            await self.sharing.leave()
        for task in tuple(self._background):
            task.cancel()
        await self.server.close()
        await self._ban_log.close()
        await self.persistence.save_last()
        await self._let_go()

    async def _let_go(self) -> None:
        """Have the event loop hold none of the other listening sockets any more: they are closed after this, and a loop
        that still holds one of them may never wake up again, so that a service which a bug has ended would not be
        started anew."""
        if self._health is not None:
            self._health.stop()
        await self._management.stop()

    def heed_signals(self, stop: asyncio.Event) -> None:
        """Set `stop` on SIGTERM and SIGINT, read the file again on SIGHUP, and let the other two end nothing."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop.set)
        loop.add_signal_handler(signal.SIGHUP, lambda: self._begin(self._reload_quietly()))
        for number in (signal.SIGUSR1, signal.SIGUSR2):
            loop.add_signal_handler(number, partial(_ignore, number))

    # --- Other rules ---

    async def _reload_quietly(self) -> None:
        # What is wrong has been logged, and there is nobody else to tell.
        with contextlib.suppress(ConfigError):
            await self.reload()

    async def reload(self) -> Changes:
        """Read the configuration again and adopt it, wholly or not at all.

        Raises ConfigError with all that is wrong; then nothing has changed. Either way it is logged and counted.
        """
        async with self._reloading:
            with self._manager.reloading():
                try:
                    changes = await self.adopt(self._read_again())
                except ConfigError as error:
                    self.reloads.refuse(error)
                    raise
            self.reloads.take(changes, time.time())
            return changes

    def _read_again(self) -> Config:
        if self.file is None:
            raise ConfigError((Problem("--config", "was not given, so there is no file to read again"),))
        config = self._seat.own(load(self.file))
        problems = check_files(config)
        if problems:
            raise ConfigError(located(problems, config.lines))
        return self.hand_limits.over(config)

    async def _alter(self, make: Callable[[Config], Config]) -> Changes:
        """Hold to what is made of the configuration that holds; no file is looked at that it names. Raises
        ConfigError."""
        async with self._reloading:
            return await self.adopt(make(self.config), rereads=False)

    async def adopt(self, config: Config, *, rereads: bool = True) -> Changes:
        """Hold to another configuration from now on, on open connections too.

        All that can fail is done first; raises ConfigError, and then nothing has changed. What has to wait for a
        restart is named in what is returned. Without `rereads` it must name the same files, and a bad one among them is
        in nobody's way.
        """
        changes = compare(self.config, make_room(config), self._seat.from_start)
        wanted = changes.config
        suffixes = await read_suffixes(wanted.names) if rereads else None
        blocklists = await self.core.blocklists.prepare(wanted.blocklists, time.time()) if rereads else None
        members = await self._member_file.prepare(wanted.clients.member_file)
        pair = self._check_pair(wanted) if rereads else None
        opened = self.listeners.open(places(wanted), wanted.connections.write_seconds)
        health_moves = wanted.server.listen[0] != self.config.server.listen[0]
        await self._member_file.adopt(wanted.clients.member_file, members, time.time())
        self.config = wanted
        self.server.adopt(wanted, suffixes, blocklists)
        self._ban_log.adopt(wanted.bans.log_file)
        self.alerting.adopt(wanted)
        self.pages.adopt(wanted)
        self._take_certificate(wanted, pair)
        if self._log_limit is not None:
            self._log_limit.adopt(wanted.log.lines_per_second)
            self.log_level.adopt(wanted.log.level)
        self._offer_protocols()
        self.listeners.switch(places(wanted), opened)
        if opened:
            self._tell_of_sockets()
        if health_moves:
            await self._begin_health()
        return changes

    @property
    def finishing(self) -> int:
        """How many resolvers that were replaced have something under way."""
        return self.core.finishing

    def certificate_digest(self) -> bytes | None:
        """Return the digest of the certificate that clients are shown, None without one."""
        return None if self._certificate is None else self._certificate.digest

    def tallies(self) -> Sequence[Tally]:
        """Return how requests have ended since the start."""
        return self.core.tallies.all()

    def owners(self) -> Owners:
        """Return those whom the walk asks."""
        return self.server.owners()

    def blocklists(self) -> Sequence[BlocklistStatistics]:
        """Return what there is to say of each list."""
        return self.core.blocklists.statistics(time.time())

    def look_at(self, packed: bytes) -> Client:
        """Return the client at a packed address, and remember nothing."""
        return self.server.identities.look_at(packed)

    def member_book(self) -> MemberBook | None:
        """Return the list of members with URLs of their own, None if no file for it is configured."""
        return None if self._member_file.path is None else self._member_file

    def invitation(self, token: str) -> Invitation:
        """Return what a member with this token is given."""
        # Stamps are of use to few commands, and nobody who asks for names waits for what makes them.
        from dohproxy.tools.invitations import invitation_for

        return invitation_for(self.config, token)

    def resolvers(self) -> Resolvers:
        """Return the general upstreams and those of all routes."""
        return self.core.resolver

    def bans(self) -> Bans:
        """Return who is kept out."""
        return self.core.bans

    @property
    def is_ending(self) -> bool:
        """Whether nothing new is taken any more."""
        return self._stop.is_set()

    def caches(self) -> Sequence[Cache]:
        """Return the general cache and those of all routes."""
        return self.core.caches()

    def forget_shared(self, is_meant: Callable[[bytes], bool]) -> None:
        """Take no answer about a name that is meant from another node, if it was stored before now."""
        if self.sharing is not None:
            self.sharing.cache.forget(is_meant)

    def drain(self) -> int:
        """Begin the end in a moment, in which who asks for it is told; return how many clients are connected."""
        asyncio.get_running_loop().call_later(DRAIN_DELAY_SECONDS, self._stop.set)
        return self.server.connections.slots_taken

    def alerts(self) -> Sequence[Alert]:
        """Return what is wrong, with the upstreams and with the service as a whole."""
        now = clock()
        return (*alerts(self.core.resolver.statistics(now), now, time.time()), *self.alerting.alerts())

    def recent_alerts(self) -> Sequence[RecentAlert]:
        """Return the last that began, the newest first."""
        return self.alerting.recent.newest_first()

    def apply_mode(self) -> ModeNow:
        """Let the walk know what holds now, and return it."""
        return self.alerting.apply_mode()

    def waiting(self) -> Sequence[str]:
        """Return the keys that differ from the file until a restart."""
        return self.reloads.statistics().waiting

    async def snapshot(self) -> dict[str, Any]:
        """Return what `/status` of the admin socket shows: what is no number in words, and all figures."""
        figures = {}
        for reading in self.core.figures.read():
            figures[reading.figure.sample_name] = plain(reading.values)
            await asyncio.sleep(0)  # All together cost some milliseconds, for which everybody else would wait.
        held = by_hand(self)
        await asyncio.sleep(0)  # It has looked at each ban and block by hand.
        now = clock()
        resolver, wall = self.core.resolver.statistics(now), time.time()
        paused = {name: wall - (now - since) for name, since in self.core.resolver.paused(now).items()}
        return {
            "alerts": [alert.words for alert in self.alerts()],
            "mode": figures_of(self.mode.now(now), now),
            "by_hand": held,
            "left_out": all_words(resolver),
            "upstreams": [
                {"name": one.name, "breaker": one.breaker, "paused_since": paused.get(one.name)}
                for one in resolver.upstreams
            ],
            "blocklists": [{"name": one.name, "problem": one.problem} for one in self.blocklists()],
            "rules": [
                *rules_held(self.core.switches, self.blocklists(), now, wall),
                *dialects_held(self.config.dialects.actions, figures["dohproxy_dialect_shadow_requests_total"]),
            ],
            "reload": {"waiting": self.waiting()},
            "nodes": nodes_seen(self.peers),
            "log": {"level": self.log_level.now, "seconds_left": self.log_level.seconds_left(now)},
            "figures": figures,
        }

    def _check_pair(self, config: Config) -> CheckedPair | None:
        if self._certificate is None or config.tls is None:
            return None
        return self._certificate.check(config.tls, config.server.host, time.time())

    def _take_certificate(self, config: Config, pair: CheckedPair | None) -> None:
        if self._certificate is not None and config.tls is not None and pair is not None:
            self._certificate.adopt(config.tls, config.server.host, pair)
        self._price_strangers()

    def _price_strangers(self) -> None:
        """Hold strangers to what handshakes cost, now and with each new certificate."""
        if self._certificate is not None:
            limiter = self.server.connection_limiter
            self._certificate.when_priced(partial(hold_strangers, limiter, self.config.connections, self._seat.tables))

    # --- Parts ---

    async def _manage(self, opened: dict[str, socket.socket]) -> None:
        # A reload reads the authorities of the system, which must not be while this is under way.
        async with self._reloading:
            await self._management.start(opened, self.config, self.core.figures, self, self._worker_side())
        self._when_managed()

    def _worker_side(self) -> WorkerSide | None:
        secret = self._seat.secret
        if not self._seat.is_worker or secret is None:
            return None
        return WorkerSide(partial(self.persistence.export, secret), self._ban_exchange)

    def _note_ban(self, ban: Ban, now: float) -> None:
        self._ban_log.note(ban, now)
        # The store has others know of it sooner, where there is one.
        if self._seat.is_worker and (self.sharing is None or not self.sharing.store.is_up):
            self._ban_exchange.note(ban)

    async def _begin_health(self) -> None:
        if self._seat.is_worker:  # The supervisor tells of all.
            return
        before, self._health = self._health, HealthListener(self.health_answers, self.delay)
        await self._health.start(self.config.server.listen[0])
        if before is not None:
            before.stop()

    async def _load_blocklists(self) -> None:
        """Load the lists, and wait no longer than START_SECONDS for them."""
        loaded = asyncio.Event()
        self._begin(self.core.blocklists.begin(time.time(), loaded))
        try:
            async with asyncio.timeout(START_SECONDS):
                await loaded.wait()
        except TimeoutError:
            _log.warning("some blocklists are not loaded yet, and names in them are answered until they are")

    def _begin(self, coroutine: Any) -> None:
        task = self._tasks.create_task(coroutine)
        self._background.add(task)
        task.add_done_callback(self._background.discard)

    def _begin_jobs(self) -> None:
        """Begin what is done now and then. Each job ends with the service, and no bug in one ends the service."""
        jobs: list[tuple[str, Callable[[], float], Callable[[], Awaitable[None] | None]]] = [
            ("the sweep of connections", lambda: SWEEP_SECONDS, self.server.sweep),
            ("the look at front proxies", lambda: SWEEP_SECONDS, lambda: notify(self.server.front_proxy.news(clock()))),
            ("the look at upstreams", lambda: SWEEP_SECONDS, self._tick_upstreams),
            ("the count of open files", lambda: OPEN_FILES_SECONDS, self.open_files.poll),
            ("the look for alerts", lambda: LOOK_SECONDS, self.alerting.look),
            ("the public pages", lambda: self.pages.pause, self.pages.poll),
            ("the look at the mode", lambda: SWEEP_SECONDS, self._renew_mode),
            (
                "the watch of public suffixes",
                lambda: self.config.names.reload_seconds,
                lambda: self.core.suffixes.poll(time.time()),
            ),
            ("the ends of blocks", lambda: SWEEP_SECONDS, lambda: self.core.blocklists.tick(time.time())),
            ("the file of blocks", lambda: SWEEP_SECONDS, self.blocks.keep),
            ("the ends of limits by hand", lambda: SWEEP_SECONDS, self.hand_limits.poll),
            ("the watch of blocklists", lambda: FILE_SECONDS, lambda: self.core.blocklists.poll(time.time())),
            ("the look at the file of members", lambda: POLL_SECONDS, lambda: self._member_file.poll(time.time())),
            ("the ban log", lambda: WRITE_SECONDS, self._ban_log.poll),
        ]
        if self._certificate is not None:
            jobs.append(("the certificate watch", self._certificate_seconds, self._poll_certificate))
        if self._kernel_bans is not None:
            jobs.append(("the kernel's bans", self._kernel_bans.pause, self._kernel_bans.session))
        hours = self.persistence.open_hours(self.alerting, self._certificate, self._hours_directory)
        if hours is not None:
            jobs.append(("the hours for the report", lambda: HOUR_LOOK_SECONDS, hours.poll))
        for what, seconds, work in jobs:
            self._begin(repeat(what, seconds, work))
        if self.sharing is not None:
            self._begin(self.sharing.run())
        self._begin(self.alerting.sender.send_forever())
        self._begin(self.delay.watch_forever())
        self._begin(ping_forever(self._manager))
        for endless in self.persistence.save_forever():
            self._begin(endless)

    def _build_peers(self) -> OtherNodes | None:
        if self.sharing is None:
            return None
        # With the client of the store, which is loaded only where there is one.
        from dohproxy.peers import Peers

        peers = Peers(self.sharing, self, self.server, self.hand_limits, self._member_file)
        self.alerting.watch.judge_all(peers.widen)
        self.alerting.sender.share(peers.name, peers.claims)
        return peers

    def _build_kernel_bans(self) -> KernelBans | None:
        path, members = self.config.bans.kernel_socket, self.server.client_resolver.member_networks
        return None if path is None else KernelBans(path, lambda: self.config, self.core.bans, members, clock)

    def _tick_upstreams(self) -> None:
        upstreams, workarounds = self._watches
        self.core.resolver.tick()
        statistics = self.core.resolver.statistics(clock())
        upstreams.poll(statistics, clock(), time.time())
        workarounds.poll(statistics)
        found = [alert.words for alert in self.alerts() if not alert.is_harmless]
        if self.listeners.bound:  # Else it stops, and has said so.
            self._manager.tell("; ".join([self._serving, *found]))

    def _renew_mode(self) -> None:
        self.apply_mode()

    def _certificate_seconds(self) -> float:
        return 60.0 if self.config.tls is None else self.config.tls.reload_seconds

    def _poll_certificate(self) -> None:
        if self._certificate is not None:
            self._certificate.poll(time.time())

    def health_answers(self) -> bool:
        """Tell whether a question for localhost is answered; it is nobody's, and no client's limit is asked."""
        request = HttpRequest("POST", self.config.server.path, LOCALHOST_QUERY, content_type=DNS_MESSAGE)
        parsed = self.core.service.read(request, Frontend.HTTP1)
        return isinstance(self.core.pipeline.begin(parsed, NOBODY, clock()), Reply)

    def _add_figures(self) -> None:
        add = self.core.figures.add
        if self.sharing is not None:
            add(STORE_FIGURES, self.sharing.store.statistics)
            add(SHARED_CACHE_FIGURES, self.sharing.cache.statistics)
        alerting = self.alerting
        add(ALERT_FIGURES, alerting.watch.active)
        add(MESSAGE_FIGURES, alerting.sender.counts)
        add(MODE_FIGURES, lambda: self.mode.now(clock()))
        add(LOOP_FIGURES, lambda: LoopStatistics(self.server.handshakes.waiting, self.delay.seconds))
        add(RELOAD_FIGURES, self.reloads.statistics)
        add(PAGE_JOB_FIGURES, self.pages.statistics)
        members, bans = self._member_file, self._ban_log
        add(MEMBER_FILE_FIGURES, lambda: None if self.config.clients.member_file is None else members.statistics())
        if self._certificate is not None:
            add(CERTIFICATE_FIGURES, self._certificate.statistics)
        if self._log_limit is not None:
            limit = self._log_limit
            add(LOG_FIGURES, lambda: limit)
        add(BAN_LOG_FIGURES, lambda: None if self.config.bans.log_file is None else bans.statistics())
        if self._kernel_bans is not None:
            add(KERNEL_BAN_FIGURES, self._kernel_bans.statistics)
        add(PROCESS_FIGURES, lambda: process_statistics(self.open_files.count))
        add(MACHINE_FIGURES, machine_statistics)
        add(BUILD_FIGURES, build)

    async def _drain(self) -> None:
        connections = self.server.connections
        connections.drain()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(connections.limits.drain_seconds):
                await connections.wait_empty()
        connections.cut()


def _ignore(number: signal.Signals) -> None:
    _log.warning("a signal is ignored: this service has no use for it", signal=number.name)
