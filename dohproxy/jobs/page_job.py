"""Makes the public pages every half minute, and at once when there is news; and writes them to a folder.

It asks their owners, so that no request ever does. Between two documents everybody else has a turn; what writes to the
disk is a thread.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Final

import structlog

from dohproxy.config import Config
from dohproxy.config.blocklist_values import end_of
from dohproxy.frontends.router import Router
from dohproxy.jobs.atomic_file import reason_of
from dohproxy.jobs.blocklist_watch import BlocklistStatistics
from dohproxy.jobs.page_folder import PageFolder, PageJobStatistics
from dohproxy.observability.detectors.board import ActiveAlert
from dohproxy.observability.tallies import Tally
from dohproxy.pages.day import Day, count_answers
from dohproxy.pages.facts import Announcement, Facts, Restriction, WithheldList, keeps_addresses
from dohproxy.pages.incidents import MOST_INCIDENTS, IncidentBook, IncidentKind, told
from dohproxy.policy.discovery.served import public_port
from dohproxy.policy.mode import Mode, ModeNow
from dohproxy.regular_file import read_regular
from dohproxy.saved import Interruption, Saved, UnfitState, read_dict

if TYPE_CHECKING:
    from dohproxy.pages.edition import Edition
    from dohproxy.profiles.offer import Offer

LOOK_SECONDS: Final = 5.0
"""Between two looks for news: what has begun is on the page when the person on duty is told."""
FIRST_SECONDS: Final = 0.1
"""Before the first look: whoever asks for names comes first."""
CUT_OFF_SECONDS: Final = 10.0
"""For which no upstream may be asked before that is told: a resolver that is restarted is back by then. An alert waits
for questions that fail, of which a small service has few."""
PAUSE_SECONDS: Final = 0.001
"""Of the thread that makes what holds as long as the configuration: it has the interpreter to itself for some
milliseconds at a time, and nobody is to wait for longer."""
RENEW_SECONDS: Final = 30.0
"""Between two renewals without news; caches may keep a page as long."""

_log = structlog.get_logger("dohproxy.pages")


@dataclass(frozen=True, slots=True)
class PageSources:
    """Who is asked what stands on the pages."""

    alerts: Callable[[], Sequence[ActiveAlert]]
    mode: Callable[[], ModeNow]
    is_cut_off: Callable[[], bool]
    """Whether none of the upstreams that are asked about everything may be asked."""
    tallies: Callable[[], Sequence[Tally]]
    blocklists: Callable[[], Sequence[BlocklistStatistics]]
    by_hand: Callable[[], int]
    """How many names those on duty withhold."""
    announcements: Callable[[], Sequence[Announcement]]
    url: Callable[[Config], str]
    """The URL of the DoH resource."""
    offers: "Callable[[Config], tuple[Offer, Offer | None]]"
    """What everybody is offered, and members, if there are any with URLs of their own, with TOKEN_MARK for a token."""
    proof_domain: Callable[[], str]
    """Below which names prove that this service is asked, "" if none do; it changes with the certificate too."""


class PageJob:
    """Keeps the pages, and what they tell of the past."""

    def __init__(
        self,
        config: Config,
        router: Router,
        sources: PageSources,
        clock: Callable[[], float],
        wall_clock: Callable[[], float],
    ) -> None:
        """`clock` is that of the mode and the alerts, `wall_clock` gives Unix seconds."""
        self._config = config
        self._router = router
        self._sources = sources
        self._clock = clock
        self._wall_clock = wall_clock
        now = wall_clock()
        self.day = Day(now)
        self.incidents = IncidentBook(now)
        self._edition: Edition | None = None
        self._proof_domain = ""
        self._has_looked = False
        self._cut_off_since: float | None = None
        self._made_at = 0.0
        self._folder = PageFolder()
        self._shown: tuple[object, ...] = ()
        self._made_by: Edition | None = None
        """What the pages were made of last that is news if it changes."""

    def is_cut_off(self) -> bool:
        """Tell whether no upstream that is asked about everything may be asked."""
        return self._sources.is_cut_off()

    @property
    def pause(self) -> float:
        """How long to wait before the next look, in seconds."""
        return LOOK_SECONDS if self._has_looked else FIRST_SECONDS

    def adopt(self, config: Config) -> None:
        """Take another configuration; the pages follow with the next look."""
        self._config = config

    async def poll(self) -> None:
        """Look at everything once, and make what has to be made."""
        self._has_looked = True
        now = self._wall_clock()
        mode = self._sources.mode()
        self.day.observe(count_answers(self._sources.tallies()), now)
        self.incidents.observe(self._going_on(mode, now), now)
        config = self._config
        if not config.pages.enabled:
            return
        edition = await self._edition_of(config)
        facts = self._facts(config, mode, now)
        shown = facts.incidents, facts.level, facts.restriction, facts.withheld, facts.announcements
        is_news = shown != self._shown or edition is not self._made_by
        if is_news or not 0.0 <= now - self._made_at < RENEW_SECONDS:
            await self._make(facts, edition)
            self._shown, self._made_by, self._made_at = shown, edition, now
        folder = config.pages.folder
        if folder is not None and (is_news or self._folder.is_due(folder, config.pages.folder_seconds, now)):
            await self._write(facts, edition, folder)

    def statistics(self) -> PageJobStatistics:
        """Return the figures."""
        return PageJobStatistics(
            self._folder.written_at, self._folder.failures, len(self.incidents.incidents), MOST_INCIDENTS
        )

    def export(self, _now: float = 0.0) -> Saved:
        """Return what is known of the past: quarters of an hour and incidents, at Unix seconds, as people read them."""
        return {"pages": self.day.export() | self.incidents.export()}

    def restore(self, saved: Saved, _interruption: Interruption | None = None) -> None:
        """Go on with what another process has exported; what is unfit of it is left out."""
        if "pages" not in saved:
            return
        for restore in (self.day.restore, lambda part: self.incidents.restore(part, self._wall_clock())):
            try:
                restore(read_dict(saved, "pages"))
            except UnfitState as key:
                _log.warning("what the public pages tell of the past begins anew", unfit=str(key))

    def _going_on(self, mode: ModeNow, now: float) -> dict[IncidentKind, float]:
        monotonic = self._clock()
        found = told((alert.kind, now - (monotonic - alert.since)) for alert in self._sources.alerts())
        if mode.mode is Mode.MEMBERS:
            found[IncidentKind.MEMBERS_ONLY] = now
        if not self.is_cut_off():
            self._cut_off_since = None
            return found
        since = self._cut_off_since = now if self._cut_off_since is None else self._cut_off_since
        if now - since >= CUT_OFF_SECONDS:
            found.setdefault(IncidentKind.WAY_OUT, since)
        return found

    def _facts(self, config: Config, mode: ModeNow, now: float) -> Facts:
        until = None if mode.until is None else now + (mode.until - self._clock())
        # To the minute, or each look would be news.
        until = None if until is None else 60.0 * round(until / 60.0)
        return Facts(
            host=config.server.host,
            url=self._sources.url(config),
            about=config.about,
            at=now,
            level=self.incidents.level,
            level_since=self.incidents.level_since,
            incidents=self.incidents.incidents,
            restriction=Restriction(
                mode.mode is Mode.MEMBERS, members_first=mode.spares_strangers and mode.mode is Mode.OPEN, until=until
            ),
            quarters=self.day.quarters(now),
            withheld=tuple(_withheld(one) for one in self._sources.blocklists() if _is_withheld(one)),
            by_hand=self._sources.by_hand(),
            announcements=tuple(self._sources.announcements()),
            keeps_addresses=keeps_addresses(config),
        )

    async def _edition_of(self, config: Config) -> "Edition":
        """Return what makes pages with this configuration, the same as long as that holds."""
        known, proof_domain = self._edition, self._sources.proof_domain()
        if known is not None and known.config is config and self._proof_domain == proof_domain:
            return known
        edition, problem = await asyncio.to_thread(_begin_edition, config, self._sources.offers, proof_domain)
        if problem:
            _log.warning("the policy page is without your own paragraphs", why=problem)
        self._edition, self._proof_domain = edition, proof_domain
        return edition

    async def _make(self, facts: Facts, edition: "Edition") -> None:
        documents = []
        for document in edition.on_host(facts):
            documents.append(document)
            await asyncio.sleep(0)
        self._router.publish(documents, facts.at)

    async def _write(self, facts: Facts, edition: "Edition", folder: Path) -> None:
        files = []
        for name, document in edition.in_folder(facts):
            files.append((name, document.body))
            await asyncio.sleep(0)
        await self._folder.write(folder, files, facts.at)


def _begin_edition(
    config: Config, offers: "Callable[[Config], tuple[Offer, Offer | None]]", proof_domain: str
) -> "tuple[Edition, str]":
    """Return what makes pages, and why the operators' paragraphs are not in them, "" if they are. Blocks."""
    # It takes longer to load than all else that a start imports last, and nobody waits for it: so here, in a thread.
    from dohproxy.pages.edition import make_edition
    from dohproxy.pages.own_text import MOST_OWN_BYTES
    from dohproxy.pages.proof import proof_at
    from dohproxy.pages.setup_edition import setup_documents

    proof = proof_at(proof_domain, public_port(config)) if proof_domain else None
    setup = tuple(setup_documents(*offers(config), proof, lambda: time.sleep(PAUSE_SECONDS)))
    path, problem = config.pages.paragraphs_file, ""
    if path is not None:
        try:
            return make_edition(config, read_regular(path, MOST_OWN_BYTES + 1), setup), ""
        except OSError as error:
            problem = f"cannot be read ({reason_of(error)})"
        except ValueError as error:
            problem = str(error)
        problem = f"pages.paragraphs_file names {path}, which {problem}."
    return make_edition(config, b"", setup), problem


def _is_withheld(one: BlocklistStatistics) -> bool:
    return one.action != "allow" and not one.is_over


def _withheld(one: BlocklistStatistics) -> WithheldList:
    until = None if one.ends is None else end_of(date.fromisoformat(one.ends)) - 1.0
    # Whoever is concerned must be able to find the order, whatever text clients are told.
    is_named = one.reference is None or one.reference in one.text
    text = one.text if is_named else f"{one.text} ({one.reference})"
    return WithheldList(text, one.reason, one.names, one.networks, until)
