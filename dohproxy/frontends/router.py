"""The public pages as requests meet them: which path is which page, and the page from memory as ready bytes.

A page view costs what a cached answer does, and its bytes. So it is judged like one: a banned client gets none, each is
a request within its client's limit, and all together have a limit of their own, which keeps the line free for answers.
Nothing is made for a view; what is shown was made beforehand (`jobs/page_job.py`), and is the same for everybody.

`/` and `/policy` choose their language by Accept-Language, and say so to caches; `/en` and `/fr` are fixed.

What is one reader's alone, a member's token or the name of a picture, is put into the bytes for each view.
"""

import math
import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from dohproxy.config import PagesConfig
from dohproxy.doh.dialects import Dialect
from dohproxy.doh.exchange import HttpRequest, HttpResponse
from dohproxy.doh.request import RefusedRequest, path_of
from dohproxy.outcomes import Frontend, Reason
from dohproxy.pages.document import Document, Kind, Language
from dohproxy.pages.languages import choose
from dohproxy.pages.setup_paths import PROOF_MARK, TOKEN_MARK, proof_path, setup_target
from dohproxy.pages.style import content_security_policy
from dohproxy.pages.systems import system_of
from dohproxy.policy.discovery.proof import UNIQUE_CHARACTERS, is_proof_host
from dohproxy.policy.gcra import SLOT_BYTES, Gcra
from dohproxy.policy.standing import STRANGERS_LEAVE
from dohproxy.value import value

KEEP_SECONDS: Final = 30
"""How long caches may show a page: as long as it takes until there is a newer one."""
BURST_SECONDS: Final = 4.0
"""Of the rate, saved up while nobody looks: those who follow one link in the same moment."""
LONGEST_VALIDATORS: Final = 256
"""Characters of If-None-Match that are looked at; a browser sends one tag, of 26."""

PATHS: Final[Mapping[str, tuple[Kind, Language | None]]] = {
    "/": (Kind.STATUS, None),
    "/policy": (Kind.POLICY, None),
    "/incidents.atom": (Kind.FEED, None),
    "/status.json": (Kind.JSON, None),
    **{f"/{language}": (Kind.STATUS, language) for language in Language},
    **{f"/{language}/policy": (Kind.POLICY, language) for language in Language},
    **{f"/{language}/incidents.atom": (Kind.FEED, language) for language in Language},
    **{proof_path(language): (Kind.PROOF, language) for language in Language},
}
"""Kind and language of the page at a path; None where the request chooses, or where there is no choice. The members'
page and what is below it is in `pages/setup_paths.py`."""


@dataclass(slots=True, eq=False)
class View:
    """One page, as somebody asks for it; like the request that it stands in, it belongs to one frontend."""

    kind: Kind
    language: Language | None
    is_head: bool
    validators: str
    """What the client has already, as it says in If-None-Match."""
    variant: str = ""
    """Which one of several documents of the same kind and language."""
    token: str = ""
    """A member's, if it is his own page or file: it is put where the documents have TOKEN_MARK."""
    is_chosen: bool = False
    """The language is that of the request, and not of the path."""
    is_misplaced: bool = False
    """It is asked for at a name at which it would prove nothing."""
    edition: int = 0
    key: str = ""
    """By which it was found what is shown, and for which edition: found out anew each time, a view would cost a third
    more. It is no more than this, as views are remembered when the pages they were shown are long gone."""


@dataclass(slots=True)
class Count:
    """How many views have ended in one way."""

    number: int = 0


@value
class Shown:
    """What there is for views of one kind."""

    response: HttpResponse
    count: Count
    document: Document


class Showing(StrEnum):
    """What became of a page view; metric label."""

    WHOLE = "whole"
    UNCHANGED = "unchanged"
    """The client has this very page."""
    TURNED_AWAY = "turned_away"
    """More are wanted than all together may have."""
    MISPLACED = "misplaced"
    """It is the picture that proves whom a browser asks, wanted at a name at which it would prove nothing."""
    NOT_READY = "not_ready"
    """It is not made yet: the service has only just begun."""


@dataclass(frozen=True, slots=True)
class RouterStatistics:
    """The pages at one instant."""

    views: Mapping[tuple[str, str], int]
    """By kind of page and what became of it."""
    held_bytes: int
    published_at: float
    """Unix seconds at which what is shown was made; 0.0 if nothing is."""


class Router:
    """Finds and shows pages; there are none until `adopt` allows them and `publish` brings some."""

    def __init__(self, draw: Callable[[int], bytes] = os.urandom) -> None:
        """`draw` returns so many random bytes."""
        self._draw = draw
        self.is_enabled = False
        self._proof_domain: str | None = None
        self._default = Language.ENGLISH
        per_second = PagesConfig().views_per_second
        self._views = Gcra(memoryview(bytearray(SLOT_BYTES)), per_second=per_second, burst=burst_of(per_second))
        self._edition = 0
        """How often pages were published."""
        self._documents: dict[tuple[Kind, Language | None, str], tuple[Document, str]] = {}
        """Each with its entity tag, which costs as much as a view to make."""
        self._shown: dict[str, Shown] = {}
        """By frontend, document, and whether its language was chosen, it is for HEAD, and for who has it already: some
        hundreds."""
        self._counts = {(kind, showing): Count() for kind in Kind for showing in Showing}
        self._published_at = 0.0

    def adopt(self, config: PagesConfig, now: float) -> None:
        """Hold to another section; requests that were read before have to be read again."""
        self.is_enabled = config.enabled
        self._default = Language(config.language)
        self._proof_domain = config.proof_domain
        self._views.adopt(config.views_per_second, burst_of(config.views_per_second), now)

    def publish(self, documents: Iterable[Document], at: float) -> None:
        """Show these from now on in place of all before; `at` is Unix seconds."""
        self._documents = {(one.kind, one.language, one.variant): (one, one.etag) for one in documents}
        self._edition += 1
        self._shown = {}
        self._published_at = at

    def find(self, request: HttpRequest, found: RefusedRequest) -> View | None:
        """Return what page a request asks for that is no query, None if none. What is a query at a wrong path, whatever
        its dialect, is no page view: its client is not to take a page for an answer."""
        if not self.is_enabled or found.reason is not Reason.WRONG_PATH or found.dialect is not Dialect.OTHER:
            return None
        if request.method not in ("GET", "HEAD"):
            return None
        path = path_of(request.target)
        if path.endswith("/") and path != "//":
            path = path[:-1] or path
        view = _setup_view(path, request) if "/setup" in path else _page_view(path, request)
        if view is None or not self._may_be(view):
            return None
        view.is_misplaced = view.kind is Kind.PROOF and not is_proof_host(request.authority, self._proof_domain)
        if view.is_chosen:
            view.language = choose(request.accept_language, self._default)
        return view

    def _may_be(self, view: View) -> bool:
        """Tell whether there is what not every service has; before anything is made it is too early to say."""
        if not self._documents or not (view.variant or view.kind is Kind.PROOF):
            return True
        language = self._default if view.kind is Kind.SETUP else view.language
        return (view.kind, language, view.variant) in self._documents

    def show(self, view: View, frontend: Frontend, now: float, *, is_member: bool) -> HttpResponse:
        """Return a page to a client that is within its own limit."""
        wait = self._views.take(now, 0.0 if is_member else STRANGERS_LEAVE)
        if wait:
            self._counts[view.kind, Showing.TURNED_AWAY].number += 1
            return _come_again(wait)
        if view.is_misplaced:
            # A view and no wrong path, which would be remembered of this target under every name.
            self._counts[view.kind, Showing.MISPLACED].number += 1
            return HttpResponse(404, (("cache-control", "no-store"),))
        shown = self._shown.get(view.key) if view.edition == self._edition else self._look_up(view, frontend)
        if shown is None:
            self._counts[view.kind, Showing.NOT_READY].number += 1
            return _come_again(1.0)
        shown.count.number += 1
        if shown.document.picture_origin:
            return _for_reader(shown, view.token, self._draw(UNIQUE_CHARACTERS // 2).hex())
        return _for_reader(shown, view.token) if view.token else shown.response

    def _look_up(self, view: View, frontend: Frontend) -> Shown | None:
        """Return what this edition has for a view, and note in the view where that is."""
        found = self._documents.get((view.kind, view.language, view.variant))
        if found is None:
            return None
        document, etag = found
        may_keep = not _is_for_one(document, view)
        is_known = may_keep and bool(view.validators) and (etag in view.validators or view.validators.strip() == "*")
        view.edition = self._edition
        where = f"{frontend} {view.kind} {view.language} {view.variant}"
        view.key = f"{where} {view.is_chosen} {view.is_head} {is_known}"
        shown = self._shown.get(view.key)
        if shown is None:
            count = self._counts[view.kind, Showing.UNCHANGED if is_known else Showing.WHOLE]
            shown = Shown(_response(document, etag, view, is_known=is_known), count, document)
            self._shown[view.key] = shown
        return shown

    def statistics(self) -> RouterStatistics:
        """Return the figures."""
        views = {(str(kind), str(showing)): count.number for (kind, showing), count in self._counts.items()}
        held = sum(len(document.body) for document, _ in self._documents.values())
        return RouterStatistics(views, held, self._published_at)


def _page_view(path: str, request: HttpRequest) -> View | None:
    page = PATHS.get(path)
    if page is None:
        return None
    kind, language = page
    is_chosen = language is None and kind is not Kind.JSON
    return View(kind, language, request.method == "HEAD", _validators(request), is_chosen=is_chosen)


def _setup_view(path: str, request: HttpRequest) -> View | None:
    target = setup_target(path)
    if target is None:
        return None
    return View(
        target.kind,
        target.language,
        request.method == "HEAD",
        _validators(request),
        f"{target.prefix}{target.file or system_of(request.user_agent)}",
        target.token,
        is_chosen=target.kind is Kind.SETUP and target.language is None,
    )


def _validators(request: HttpRequest) -> str:
    return (request.if_none_match or "")[:LONGEST_VALIDATORS]


def _vary(view: View) -> list[tuple[str, str]]:
    """Return what tells caches on which fields of a request it depends what they are given."""
    names = ["accept-language"] if view.is_chosen else []
    if view.kind is Kind.SETUP:
        names.append("user-agent")
    return [("vary", ", ".join(names))] if names else []


def _is_for_one(document: Document, view: View) -> bool:
    """Tell whether nobody may keep what is sent: what holds a secret, not even the browser, and what proves something
    of this moment."""
    return bool(view.token or document.picture_origin) or document.kind is Kind.PROOF


def _for_reader(shown: Shown, token: str, unique: str = "") -> HttpResponse:
    """Return what is sent to who has this token, with what is `unique` to this view in the name of a picture; its
    length is the same."""
    response, document = shown.response, shown.document
    body, fields = response.body, response.fields
    if document.picture_origin:
        body = body.replace(PROOF_MARK.encode(), unique.encode())
        fields = tuple((name, text.replace(PROOF_MARK, unique)) for name, text in fields)
    if token and body:
        for blank in document.blanks:
            body = body.replace(blank.mark, blank.fill(token))
        body = body.replace(TOKEN_MARK.encode(), token.encode())
    return HttpResponse(response.status, fields, body, omitted_bytes=response.omitted_bytes, is_page=True)


def burst_of(per_second: float) -> float:
    """Return how many views are saved up."""
    return max(1.0, per_second * BURST_SECONDS)


def _come_again(seconds: float) -> HttpResponse:
    fields = (("retry-after", str(max(1, math.ceil(seconds)))), ("cache-control", "no-store"))
    return HttpResponse(503, fields)


def _response(document: Document, etag: str, view: View, *, is_known: bool) -> HttpResponse:
    """Return what is sent; to a client that has it already, what decides about its copy (RFC 9110 section 15.4.5)."""
    fields = [("etag", etag), ("cache-control", f"max-age={KEEP_SECONDS}")]
    if _is_for_one(document, view):
        fields = [("cache-control", "no-store")]
    else:
        fields += _vary(view)
    if is_known:
        return HttpResponse(304, tuple(fields), is_page=True)
    fields.insert(0, ("content-type", document.media_type))
    if document.kind is Kind.PROFILE:
        fields.append(("content-disposition", f'attachment; filename="{document.variant.rpartition(" ")[2]}"'))
    if document.language is not None:
        fields.append(("content-language", document.language.value))
    if document.kind is Kind.JSON:
        # Anybody's page may read it: it is the same for everybody, and nobody is known here by a cookie.
        fields.append(("access-control-allow-origin", "*"))
    fields.append(("content-security-policy", content_security_policy(document.picture_origin)))
    fields += _SECURITY
    if view.is_head:
        return HttpResponse(200, tuple(fields), omitted_bytes=len(document.body), is_page=True)
    return HttpResponse(200, tuple(fields), document.body, is_page=True)


_SECURITY: Final = (
    ("x-content-type-options", "nosniff"),
    ("referrer-policy", "no-referrer"),
)
