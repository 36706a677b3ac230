"""Whether a request comes from the operator's own page or from a person's tool: judged by what no page can forge.

A browser sends requests to loopback for any page that it shows, and shows any page as `localhost` whose owner says that
his name is 127.0.0.1 (DNS rebinding). So the name that was asked for has to be one of this machine (`Host`); where a
browser says who asks (`Origin`, `Sec-Fetch-Site`), that has to be this page; and what changes something has to have a
field and a content type that no page of another origin may send unasked (the Fetch standard's "CORS-safelisted").
"""

import re
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Final

HEADER: Final = "X-Dohproxy-Console"
"""A field that the page sends, with any value."""
_HOST: Final = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9.-]+)(:[0-9]{1,5})?")
_OWN: Final = ("same-origin", "none")
"""Values of Sec-Fetch-Site: this page, or nobody's, as an address that was typed."""


class TurnedAway(Exception):
    """A request is not carried out; the text is a sentence for whoever sent it."""

    def __init__(self, status: int, sentence: str) -> None:
        super().__init__(sentence)
        self.status = status
        self.sentence = sentence


@dataclass(frozen=True, slots=True)
class Asked:
    """What a request says of where it comes from; "" for what it leaves out."""

    method: str
    host: str
    origin: str
    fetch_site: str
    content_type: str
    """Without parameters, in small letters."""
    has_header: bool


def judge(asked: Asked, *, is_page: bool, is_socket: bool) -> None:
    """Return if it may be carried out. Raises TurnedAway.

    `is_page`: it is for the page itself, which everybody may lead to. `is_socket`: it came through the admin socket,
    where tools that are no browsers are at home.
    """
    if not is_own_host(asked.host):
        raise TurnedAway(
            421, "Ask for this page as localhost, 127.0.0.1 or [::1]: another name could be anybody's for this machine."
        )
    if asked.origin and asked.origin.lower() != f"http://{asked.host}".lower():
        raise TurnedAway(403, "Another page has sent this, so it was not carried out.")
    if asked.fetch_site and asked.fetch_site not in _OWN and not is_page:
        raise TurnedAway(403, "Another page has sent this, so it was not carried out.")
    if asked.method in ("GET", "HEAD") or (is_socket and not asked.origin and not asked.fetch_site):
        return
    if not asked.origin or not asked.has_header or asked.content_type != "application/json":
        raise TurnedAway(
            403, f"Send an Origin, {HEADER} and Content-Type: application/json, as the operator's page does."
        )


def is_own_host(host: str) -> bool:
    """Tell whether a Host field names this machine by a name that nobody else can have."""
    found = _HOST.fullmatch(host)
    if found is None:
        return False
    name = found[1].lower()
    if name == "localhost":
        return True
    try:
        return ip_address(name.strip("[]")).is_loopback
    except ValueError:
        return False
