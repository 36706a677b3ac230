"""[pages]: the public pages about the service, on the host that answers DoH."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final, Literal

from dohproxy.config.addresses import parse_path
from dohproxy.config.discovery_values import parse_proof_domain
from dohproxy.config.keys import Choice, Integer, Number, Switch, Text

PAGE_PATHS: Final = frozenset({
    "/", "/policy", "/incidents.atom", "/status.json",
    "/en", "/en/policy", "/en/incidents.atom", "/fr", "/fr/policy", "/fr/incidents.atom",
    "/setup", "/en/setup", "/fr/setup", "/en/proof.svg", "/fr/proof.svg",
})  # fmt: skip
"""Where the pages are; no query can be asked there."""


@dataclass(frozen=True, slots=True)
class PagesConfig:
    """The public pages: / says how the service is, /policy what becomes of questions, in English and French, with a
    feed of incidents and the same as JSON.

    docs/pages.md shows them. They hold no name that was asked for and no address, and no number of a limit.
    """

    enabled: Annotated[
        bool,
        Switch(
            "Whether there are any. Off by default: what is told to everybody is for you to decide; without them these"
            " paths get 404."
        ),
    ] = False
    language: Annotated[
        Literal["en", "fr"],
        Choice(("en", "fr"), "What is shown to browsers that want neither language, or do not say."),
    ] = "en"
    views_per_second: Annotated[
        float,
        Number(
            0.1,
            10_000,
            "pages a second",
            "How many are given to all clients together, with a burst of four seconds; whoever asks for more gets 503."
            " A page has some 10 KiB, and at most 40, so these are 4 to 16 Mbit/s: the line stays free for"
            " answers. Each is also a request within its client's own limit.",
        ),
    ] = 50
    folder: Annotated[
        Path | None,
        Text(
            parse_path,
            "directory",
            "/var/lib/dohproxy/pages",
            "Where the same pages are written, for another host to publish when this one cannot be reached; each says"
            " when it was written, and when it is too old to be believed. Absent by default: they are not. Anybody on"
            " this machine may read them.",
        ),
    ] = None
    folder_seconds: Annotated[
        int,
        Integer(
            30,
            86_400,
            "seconds",
            "Between two times that they are written there; a copy that is three times as old says of itself that it is"
            " not to be believed.",
        ),
    ] = 60
    paragraphs_file: Annotated[
        Path | None,
        Text(
            parse_path,
            "file name",
            "/etc/dohproxy/policy.txt",
            "Paragraphs of your own for the policy page, at most 4 KiB: plain text, an empty line between two of them,"
            " and a line [en] or [fr] before what is for one language alone. It is read at the start and with each"
            " reload.",
        ),
    ] = None
    proof_domain: Annotated[
        str | None,
        Text(
            parse_proof_domain,
            "domain",
            "check.doh.example.net",
            "Below which /setup has a picture that only browsers can load which ask this service: names such as"
            " proof-0123456789abcdef.check.doh.example.net are answered here, with the addresses of discovery.addresses"
            " or server.listen, and must exist nowhere else. The certificate has to be for *.check.doh.example.net."
            " docs/pages.md says which domain will do. Absent by default: the page has no such picture.",
        ),
    ] = None
