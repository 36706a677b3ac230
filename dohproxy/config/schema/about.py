"""[about]: who runs the service, for everybody to read."""

from dataclasses import dataclass
from typing import Annotated

from dohproxy.config.about_values import parse_contact, parse_line, parse_site
from dohproxy.config.keys import Text


@dataclass(frozen=True, slots=True)
class AboutConfig:
    """Who runs the service. Everybody who opens the public pages reads it; without [pages] it is of no effect."""

    name: Annotated[
        str | None,
        Text(
            parse_line,
            "a line of text",
            "Example Association",
            "Who you are, as people know you. Absent by default: the pages name the host alone.",
        ),
    ] = None
    url: Annotated[
        str | None,
        Text(
            parse_site,
            "http:// or https:// URL",
            "https://example.org/",
            "Your own site.",
        ),
    ] = None
    contact: Annotated[
        str | None,
        Text(
            parse_contact,
            "mail address or URL",
            "dns@example.org",
            "Where people write who have a question or a complaint; programs collect addresses from such pages, so one"
            " made for it.",
        ),
    ] = None
    imprint: Annotated[
        str | None,
        Text(
            parse_line,
            "a line of text",
            "Example Association, 1 Example Street, 75000 Paris",
            "What the law of your country wants on a site: whose it is, and where they are to be found.",
        ),
    ] = None
    object_to: Annotated[
        str | None,
        Text(
            parse_contact,
            "mail address or URL",
            "https://example.org/blocks",
            "Where to object to a name that is not answered. Absent by default: at the contact.",
        ),
    ] = None
