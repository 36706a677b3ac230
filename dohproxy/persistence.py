"""What a run leaves for the next one, in files: what is known and spent, the cache, announcements, blocks by hand, and
the sums of each hour for the report."""

import asyncio
import contextlib
import time
from collections.abc import Callable, Coroutine, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import structlog

from dohproxy.builders import clock
from dohproxy.config import Config
from dohproxy.core import Core
from dohproxy.jobs.alert_readings import SavedFile
from dohproxy.jobs.alerting import Alerting
from dohproxy.jobs.blocks_file import HandBlocks
from dohproxy.jobs.cache_file import CacheFile
from dohproxy.jobs.certificate_watch import CertificateWatch
from dohproxy.jobs.hour_book import NAME as HOURS_NAME
from dohproxy.jobs.hour_book import HourBook
from dohproxy.jobs.hour_readings import HourOwners, read_counters
from dohproxy.jobs.job_figures import CACHE_FILE_FIGURES, HOUR_FIGURES, STATE_FILE_FIGURES
from dohproxy.jobs.state_file import NAME as STATE_NAME
from dohproxy.jobs.state_file import NOT_KEPT, Kept, StateFile
from dohproxy.jobs.state_key import NoKey, StateKey, open_key
from dohproxy.policy.announcements import Announcements
from dohproxy.saved import FAR_SECONDS, Interruption, Saved, UnfitState, read_dict, read_number

_log = structlog.get_logger("dohproxy.persistence")


class Keeper(Protocol):
    """Who has something that a restart must not forget, beside the core."""

    def export(self, now: float) -> Saved:
        """Return it, in plain values and with relative times."""

    def restore(self, saved: Saved, interruption: Interruption) -> None:
        """Go on with what another process has exported."""


class Persistence:
    """The files of one process."""

    def __init__(self, config: Config, key: StateKey | None, core: Core) -> None:
        """State is hidden under `key`, without which none is kept."""
        self._config = config
        self._key = key
        self._core = core
        self._cache_file: CacheFile | None = None
        self._state_file: StateFile | None = None
        self._kept: Kept | None = None
        self.announcements = Announcements()
        self._hours: HourBook | None = None
        self.blocks = HandBlocks(config.server.state_directory, core.names.blocklists, core.pipeline.rules_changed)

    async def load_state(self, *keepers: Keeper, handed: Saved | None = None, secret: bytes = b"") -> None:
        """Go on with what the last process has left, if it is kept: the core's state and that of all `keepers`.

        `handed` is what another worker has exported that lives, under `secret`: it is newer than any file.
        """
        directory, core = self._config.server.state_directory, self._core
        self._kept = kept = self._keep(keepers)
        if handed is not None:
            self._go_on(kept, handed, secret)
        if directory is None:
            return
        if self._key is None:
            core.figures.add(STATE_FILE_FIGURES, lambda: NOT_KEPT)
            return
        self._state_file = state_file = StateFile(directory, self._key, kept, clock)
        core.figures.add(STATE_FILE_FIGURES, state_file.statistics)
        if handed is None:
            await state_file.load()

    def _keep(self, keepers: Sequence[Keeper]) -> Kept:
        """Return how all that is kept is exported and restored."""
        core = self._core

        async def export(seal: Callable[[str], str], now: float) -> Saved:
            saved: Saved = {"announcements": self.announcements.export(time.time())}
            for keeper in keepers:
                saved |= keeper.export(now)
            return saved | await core.export(seal, now)

        def restore(saved: Saved, seal: Callable[[str], str], interruption: Interruption) -> int:
            for keeper in keepers:
                keeper.restore(saved, interruption)
            with contextlib.suppress(UnfitState):
                self.announcements.restore(saved)
            return core.restore(saved, seal, interruption)

        return Kept(export, restore, {"seniority": core.request_limiter.seniority})

    async def export(self, secret: bytes) -> Saved:
        """Return all that another worker needs to know, under the secret that all have, and the blocks by hand. The
        tables are shared already: of them it is the clocks."""
        now = clock()
        if self._kept is None:
            return {}
        return {
            "at": now,
            "values": await self._kept.export(StateKey(secret).seal, now),
            "clocks": {name: table.clock(now) for name, table in self._kept.tables.items()},
            "blocks": await self.blocks.export(),
        }

    def _go_on(self, kept: Kept, handed: Saved, secret: bytes) -> None:
        """Take what another worker has exported; nothing is left of the budgets, as that one spends of its own."""
        with contextlib.suppress(UnfitState):
            at = read_number(handed, "at", 0.0, FAR_SECONDS)
            kept.restore(read_dict(handed, "values"), StateKey(secret).seal, Interruption(at, clock()))
            clocks = read_dict(handed, "clocks")
            for name, table in kept.tables.items():
                table.go_on(read_number(clocks, name, 0.0, 2 * FAR_SECONDS), at)
            self.blocks.go_on(str(handed.get("blocks", "[]")), time.time())

    async def load_cache(self) -> None:
        """Bring the cache back from its file, if it has one. Without a warm cache every name is new, unless other nodes
        know it: who shares with them begins with what is his of each budget."""
        file, is_warm = self._config.cache.snapshot_file, False
        if file is not None:
            self._cache_file = cache_file = CacheFile(file, self._core.cache, clock)
            self._core.figures.add(CACHE_FILE_FIGURES, cache_file.statistics)
            is_warm = await cache_file.load()
        if not is_warm and self._config.nodes is None:
            self._core.resolver.begin_slowly()

    def open_hours(
        self, alerting: Alerting, certificate: CertificateWatch | None, directory: Path | None
    ) -> HourBook | None:
        """Begin to keep the sums of each hour in a directory; return what is to be polled for it, None if they are not
        kept. All workers add theirs to one file."""
        if directory is None:
            return None
        owners = HourOwners(
            alerting.readings.owners,
            self._core.bans.statistics,
            self._core.switches.statistics,
            alerting.watch.active,
            lambda: 0.0 if certificate is None else certificate.statistics().not_after,
        )
        self._hours = hours = HourBook(directory / HOURS_NAME, partial(read_counters, owners), clock)
        self._core.figures.add(HOUR_FIGURES, hours.statistics)
        return hours

    def save_forever(self) -> list[Coroutine[Any, Any, None]]:
        """Return what saves now and then, for as long as the service runs."""
        endless: list[Coroutine[Any, Any, None]] = []
        if self._cache_file is not None:
            endless.append(self._cache_file.save_forever(self._config.cache.snapshot_seconds))
        if self._state_file is not None:
            endless.append(self._state_file.save_forever())
        return endless

    async def save_last(self) -> None:
        """Save all that is kept once more, at the end."""
        files = [file for file in (self._cache_file, self._state_file, self._hours) if file is not None]
        await asyncio.gather(*(file.save_last() for file in files))

    def statistics(self) -> dict[Path, SavedFile]:
        """Return how it went with each file that is saved now and then."""
        found: dict[Path, SavedFile] = {}
        if self._cache_file is not None and self._config.cache.snapshot_file is not None:
            found[self._config.cache.snapshot_file] = self._cache_file.statistics()
        if self._state_file is not None and self._config.server.state_directory is not None:
            found[self._config.server.state_directory / STATE_NAME] = self._state_file.statistics()
        return found


def open_state_key(directory: Path | None) -> StateKey | None:
    """Return the key under which state is kept, None if none is to be or can be; the service does without it."""
    if directory is None:
        return None
    try:
        return open_key(directory)
    except NoKey as why:
        _log.warning("nothing of the last run is known, and nothing is kept for the next", why=str(why))
        return None
