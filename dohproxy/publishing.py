"""What the public pages are made from, wired: the one place that says whose word each part of them is."""

import time
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from dohproxy.builders import clock
from dohproxy.config import Config
from dohproxy.core import Core
from dohproxy.jobs.alerting import Alerting
from dohproxy.jobs.page_job import PageJob, PageSources
from dohproxy.observability.detectors.board import ActiveAlert
from dohproxy.policy.announcements import Announcements
from dohproxy.upstream.health.breaker import BreakerState

if TYPE_CHECKING:
    from dohproxy.profiles.offer import Offer


def page_job_of(config: Config, core: Core, alerting: Alerting, announcements: Announcements) -> PageJob:
    """Return what makes the pages that the core's frontends show."""

    def alerts() -> Sequence[ActiveAlert]:
        return alerting.watch.active()

    def by_hand() -> int:
        return sum(entry.is_block for entry in core.names.blocklists.by_hand)

    def is_cut_off() -> bool:
        names = {one.name for one in core.config.general_upstreams}
        asked = [one for one in core.resolver.statistics(clock()).upstreams if one.name in names]
        return all(one.is_paused or one.breaker is not BreakerState.CLOSED for one in asked)

    sources = PageSources(
        alerts=alerts,
        mode=lambda: alerting.mode.now(clock()),
        is_cut_off=is_cut_off,
        tallies=core.tallies.all,
        blocklists=lambda: core.blocklists.statistics(time.time()),
        by_hand=by_hand,
        announcements=lambda: announcements.current(time.time()),
        url=_url_of,
        offers=_offers_of,
        proof_domain=lambda: core.names.discovery.proof_domain,
    )
    return PageJob(config, core.service.pages, sources, clock, time.time)


def _offers_of(config: Config) -> "tuple[Offer, Offer | None]":
    from dohproxy.pages.setup_paths import TOKEN_MARK
    from dohproxy.tools.offers import offer_of

    if config.clients.member_file is None:
        return offer_of(config).offer, None
    # A name for DNS over TLS is made of a token in another way, and no mark can stand for it.
    over_https = replace(config, dot=replace(config.dot, listen=()))
    return offer_of(config).offer, offer_of(over_https, token=TOKEN_MARK).offer


def _url_of(config: Config) -> str:
    # What makes stamps is imported when names are answered already.
    from dohproxy.tools.stamps import public_url

    return public_url(config)
