"""When pages are made, from what, and what is kept of the past."""

import json
import os
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path

import pytest
import structlog

from dohproxy.config import BlocklistConfig, Config
from dohproxy.doh.dialects import Dialect
from dohproxy.doh.exchange import HttpRequest
from dohproxy.doh.request import RefusedRequest
from dohproxy.frontends.router import Router
from dohproxy.jobs.blocklist_watch import BlocklistStatistics
from dohproxy.jobs.page_job import FIRST_SECONDS, LOOK_SECONDS, RENEW_SECONDS, PageJob, PageSources
from dohproxy.observability.detectors.board import ActiveAlert
from dohproxy.observability.detectors.judgement import AlertKind
from dohproxy.observability.tallies import Tallies
from dohproxy.outcomes import Frontend, Outcome, Reason
from dohproxy.pages.incidents import IncidentKind, Level
from dohproxy.policy.mode import EVERYBODY, Mode, ModeNow, Source
from dohproxy.profiles.offer import Offer
from dohproxy.saved import Saved
from tests.fakes.pages import AT, CONFIG, Note
from tests.pages.reading import read

ENABLED = replace(CONFIG, pages=replace(CONFIG.pages, enabled=True))


def list_of(**changes: object) -> BlocklistStatistics:
    usual = BlocklistStatistics(
        name="order", reason="law", action="refused", text="see https://example.org/blocks", reference="27/01234",
        ends="2027-05-31", is_over=False, file=None, format=None, names=7, let_through=0, networks=0, hits=3,
        loaded_at=0.0, bad_lines=0, faults=(), left_out=0, held_bytes=0, problem="",
    )  # fmt: skip
    return replace(usual, **changes)  # type: ignore[arg-type]  # they are its fields


def offered(host: str) -> Offer:
    return Offer(host, host, f"https://{host}/dns-query")


@dataclass
class Service:
    """Whom the job asks, and two clocks."""

    now: float = 1_000.0
    wall: float = AT
    alerts: list[ActiveAlert] = field(default_factory=list)
    mode: ModeNow = EVERYBODY
    is_cut_off: bool = False
    tallies: Tallies = field(default_factory=Tallies)
    lists: list[BlocklistStatistics] = field(default_factory=list)
    notes: tuple[Note, ...] = ()
    router: Router = field(default_factory=Router)
    proof_domain: str = ""

    def job(self, config: Config = ENABLED) -> PageJob:
        self.router.adopt(config.pages, self.now)
        sources = PageSources(
            alerts=lambda: self.alerts,
            mode=lambda: self.mode,
            is_cut_off=lambda: self.is_cut_off,
            tallies=self.tallies.all,
            blocklists=lambda: self.lists,
            by_hand=lambda: 2,
            announcements=lambda: self.notes,
            url=lambda config: f"https://{config.server.host}/dns-query",
            offers=lambda config: (offered(config.server.host), None),
            proof_domain=lambda: self.proof_domain,
        )
        return PageJob(config, self.router, sources, lambda: self.now, lambda: self.wall)

    def go_on(self, seconds: float) -> None:
        self.now += seconds
        self.wall += seconds

    def begin(self, kind: AlertKind) -> None:
        self.alerts.append(ActiveAlert(kind, "secret-upstream", "secret words 192.0.2.7", "a remedy", self.now))

    def text(self, path: str = "/en") -> str:
        request = HttpRequest("GET", path)
        view = self.router.find(request, RefusedRequest(Reason.WRONG_PATH, Dialect.OTHER))
        assert view is not None
        response = self.router.show(view, Frontend.HTTP1, self.now, is_member=True)
        if response.status != 200:
            return ""
        if path.endswith(("json", "atom")):
            return response.body.decode()
        return " ".join(read(response.body).text.split())


@pytest.fixture
def service() -> Service:
    return Service()


async def test_a_first_page_comes_soon_and_then_one_each_half_minute(service: Service) -> None:
    job = service.job()
    assert job.pause == FIRST_SECONDS
    await job.poll()
    assert job.pause == LOOK_SECONDS
    assert "14:05 UTC" in service.text()
    service.go_on(RENEW_SECONDS - 1)
    await job.poll()
    assert service.router.statistics().published_at == AT
    service.go_on(1)
    await job.poll()
    assert service.router.statistics().published_at == AT + RENEW_SECONDS


async def test_without_the_switch_nothing_is_made_and_the_past_is_known_all_the_same(service: Service) -> None:
    job = service.job(CONFIG)
    service.begin(AlertKind.FAILING)
    await job.poll()
    assert service.router.statistics().published_at == 0.0
    assert job.incidents.level is Level.DISTURBED


async def test_news_is_there_with_the_next_look(service: Service) -> None:
    job = service.job()
    await job.poll()
    service.go_on(LOOK_SECONDS)
    service.begin(AlertKind.BUDGET_EXHAUSTED)
    await job.poll()
    assert "The service is limited" in service.text()
    service.go_on(LOOK_SECONDS)
    service.alerts.clear()
    service.notes = (Note(1, "All is well again.", service.wall),)
    await job.poll()
    assert "The service is well" in service.text()
    assert "All is well again." in service.text()


async def test_alerts_are_told_in_words_for_everybody(service: Service) -> None:
    job = service.job()
    for kind in AlertKind:
        service.begin(kind)
    await job.poll()
    for path in ("/en", "/fr", "/en/policy", "/en/incidents.atom", "/status.json"):
        assert "secret" not in service.text(path)
        assert "192.0.2.7" not in service.text(path)


@pytest.mark.parametrize(
    ("mode", "words"),
    [
        (ModeNow(Mode.MEMBERS, Source.OPERATOR, 4_600.0, spares_strangers=False), "until 1 March 2027, 15:05 UTC"),
        (ModeNow(Mode.MEMBERS, Source.LISTED, None, spares_strangers=True), "for the time being"),
        (ModeNow(Mode.OPEN, Source.LISTED, None, spares_strangers=True), "Members are answered first"),
    ],
    ids=["members until", "members", "members first"],
)
async def test_the_mode_is_told(service: Service, mode: ModeNow, words: str) -> None:
    job = service.job()
    service.mode = mode
    await job.poll()
    assert words in service.text()
    is_members = mode.mode is Mode.MEMBERS
    assert (job.incidents.level is Level.LIMITED) is is_members
    # The end of it comes nearer, which is no news.
    service.go_on(LOOK_SECONDS)
    await job.poll()
    assert service.router.statistics().published_at == AT


async def test_that_no_upstream_may_be_asked_is_told_although_nobody_has_asked(service: Service) -> None:
    job = service.job()
    service.is_cut_off = True
    await job.poll()
    service.go_on(LOOK_SECONDS)
    await job.poll()
    assert job.incidents.level is Level.WELL  # It may be a restart.
    service.go_on(LOOK_SECONDS)
    await job.poll()
    assert [(one.kind, one.since) for one in job.incidents.incidents] == [(IncidentKind.WAY_OUT, AT)]
    assert "No upstream resolver could be reached" in service.text()
    service.is_cut_off = False
    service.go_on(LOOK_SECONDS)
    await job.poll()
    assert job.incidents.level is Level.WELL


async def test_questions_are_counted_by_the_quarter(service: Service) -> None:
    job = service.job()
    count = service.tallies.tally(Outcome(Reason.FORWARDED, Frontend.HTTP2, "GET", Dialect.RFC_GET))
    for _ in range(30):
        count(0.02)
    service.go_on(60)
    await job.poll()
    found = json.loads(service.text("/status.json"))["day"]
    assert (found["questions"], found["per_second"], found["asked_upstream_share"]) == (30, 0.5, 1.0)


async def test_an_order_is_named_with_its_last_day_and_what_does_nothing_is_not(service: Service) -> None:
    job = service.job(replace(ENABLED, blocklists=(BlocklistConfig("order", ends=date(2027, 5, 31)),)))
    service.lists = [
        list_of(),
        list_of(text="of old", is_over=True),
        list_of(text="let through", action="allow"),
    ]
    await job.poll()
    assert "see https://example.org/blocks (27/01234) (7 names), until 31 May 2027" in service.text()
    assert "of old" not in service.text()
    assert "let through" not in service.text()
    assert "by our own decision: 2 names" in service.text()


async def test_an_order_without_an_end_or_named_in_the_text_is_named_once(service: Service) -> None:
    job = service.job()
    service.lists = [list_of(text="list: 27/01234", ends=None)]
    await job.poll()
    assert "list: 27/01234 (7 names)" in service.text()


async def test_another_configuration_is_followed_with_the_next_look(service: Service) -> None:
    job = service.job()
    await job.poll()
    service.go_on(LOOK_SECONDS)
    job.adopt(replace(ENABLED, about=replace(CONFIG.about, name="Others")))
    await job.poll()
    assert "run by Others" in service.text()


async def test_the_folder_is_written_when_it_is_due_and_with_news(service: Service, tmp_path: Path) -> None:
    folder = tmp_path / "pages"
    job = service.job(replace(ENABLED, pages=replace(ENABLED.pages, folder=folder, folder_seconds=60)))
    await job.poll()
    first = (folder / "status.json").read_text(encoding="utf-8")
    assert json.loads(first)["stale_after"] == "2027-03-01T14:08:20Z"
    service.go_on(LOOK_SECONDS)
    await job.poll()
    assert (folder / "status.json").read_text(encoding="utf-8") == first
    service.begin(AlertKind.WAY_OUT)
    service.go_on(LOOK_SECONDS)
    await job.poll()
    assert json.loads((folder / "status.json").read_text(encoding="utf-8"))["level"] == "disturbed"
    assert job.statistics().written_at == service.wall
    service.go_on(60)
    await job.poll()
    assert job.statistics().written_at == service.wall
    assert job.statistics().write_failures == 0


async def test_the_operators_paragraphs_are_read_with_each_configuration(service: Service, tmp_path: Path) -> None:
    file = tmp_path / "policy.txt"
    file.write_text("Be kind.", encoding="utf-8")
    config = replace(ENABLED, pages=replace(ENABLED.pages, paragraphs_file=file))
    job = service.job(config)
    await job.poll()
    assert "Be kind." in service.text("/en/policy")
    file.write_bytes(b"\xff")
    job.adopt(replace(config))
    with structlog.testing.capture_logs() as lines:
        await job.poll()
    assert "Be kind." not in service.text("/en/policy")
    assert [line["why"] for line in lines] == [
        f"pages.paragraphs_file names {file}, which is not UTF-8 text (byte 0); save it as UTF-8."
    ]
    file.unlink()
    job.adopt(replace(config))
    with structlog.testing.capture_logs() as lines:
        await job.poll()
    assert "cannot be read (No such file or directory)" in lines[0]["why"]
    os.mkfifo(file)
    job.adopt(replace(config))
    with structlog.testing.capture_logs() as lines:
        await job.poll()
    assert "cannot be read (Not a regular file)" in lines[0]["why"]


async def test_another_process_goes_on_with_the_day_and_the_incidents(service: Service) -> None:
    job = service.job()
    service.begin(AlertKind.FAILING)
    service.tallies.tally(Outcome(Reason.CACHED, Frontend.HTTP2, "GET", Dialect.RFC_GET))(0.0001)
    service.go_on(5)
    await job.poll()
    saved = json.loads(json.dumps(job.export()))
    later = Service(wall=service.wall + 10)
    other = later.job()
    other.restore(saved)
    await other.poll()
    assert [one.kind for one in other.incidents.incidents] == [IncidentKind.FAILING]
    assert json.loads(later.text("/status.json"))["day"]["questions"] == 1


@pytest.mark.parametrize("saved", [{}, {"pages": 5}, {"pages": {}}, {"pages": {"day": 1, "incidents": 2}}])
async def test_what_is_unfit_is_left_out(service: Service, saved: Saved) -> None:
    job = service.job()
    before = job.export()
    job.restore(saved)
    assert job.export() == before


async def test_how_to_use_the_service_is_told_as_the_configuration_has_it() -> None:
    service = Service()
    job = service.job()
    await job.poll()
    assert ENABLED.server.host in service.text("/en/setup")
    job.adopt(replace(ENABLED, server=replace(ENABLED.server, host="other.example.net")))
    await job.poll()
    assert "https://other.example.net/dns-query" in service.text("/en/setup")


async def test_the_picture_that_proves_whom_a_browser_asks_comes_and_goes_with_the_certificate(
    service: Service,
) -> None:
    words = "Does it work?"
    job = service.job()
    await job.poll()
    assert words not in service.text("/en/setup")
    service.proof_domain = "check.example.net"
    await job.poll()
    assert words in service.text("/en/setup")
    service.proof_domain = ""
    await job.poll()
    assert words not in service.text("/en/setup")
