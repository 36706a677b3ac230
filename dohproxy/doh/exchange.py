"""One HTTP exchange as every frontend sees it: bytes in, bytes out, no DoH rule on either side."""

from dataclasses import field
from typing import Any, Final

from dohproxy.value import value

LIST_STUBS: Final = frozenset({"dnscrypt-proxy"})
"""User-Agents of stubs that ask whoever stands on a public list, used or not, to see how well they are. dnscrypt-proxy
has sent this one since 2.0.0."""


@value
class HttpRequest:
    """A complete request, as far as a DoH server looks at it. Field values are joined with ", " where repeated
    (RFC 9110 section 5.3) and None where absent."""

    method: str
    target: str
    """The request target as sent: path and query, not decoded."""
    body: bytes = b""
    accept: str | None = None
    content_type: str | None = None
    content_encoding: str | None = None
    pad_header: bool = False
    """Whether there was an X-Pad field (old dnscrypt-proxy); its value is nothing to us."""
    list_stub: bool = False
    """Whether its User-Agent is one of `LIST_STUBS`."""
    accept_language: str | None = None
    if_none_match: str | None = None
    user_agent: str | None = None
    authority: str | None = None
    """What it was sent to, as ":authority" or Host have it. Of these four it depends which page is shown, and whether
    it need be sent; to a query they are nothing."""


@value
class HttpResponse:
    """What goes back. A body is a DNS message, or a page; errors have none, but for a sentence to who asks for JSON."""

    status: int
    fields: tuple[tuple[str, str], ...]
    body: bytes = b""
    close: bool = False
    """The connection cannot go on: what follows on it is not to be trusted or not worth reading."""
    omitted_bytes: int = 0
    """The length of the body that would have been sent but for HEAD: that is what Content-Length says then (RFC 9110
    section 8.6)."""
    is_page: bool = False
    """What is sent is a page, for which nobody need have asked in DNS."""
    rendered: Any = field(default=None, compare=False, repr=False)
    """What a frontend has made of it, for when it is given again: else a cached answer costs a third more. Every
    response belongs to one frontend."""

    @property
    def is_reply(self) -> bool:
        """Whether it carries a DNS message, or would but for HEAD: who gets it has sent a query."""
        return self.status == 200 and not self.is_page

    def keep_rendered(self, rendered: Any) -> None:
        """Note what it has been made into. It says the same as before, so it is the same response."""
        object.__setattr__(self, "rendered", rendered)
