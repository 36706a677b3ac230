"""The request by which an entry is removed from a public list: an issue or a pull request, ready to be sent.

In 2019 one that said who wrote it, and why, took six hours.
"""

from collections.abc import Iterator, Sequence

from dohproxy.config import Config
from dohproxy.tools.listing.entries import Entry
from dohproxy.tools.stamps import public_authority


def removal_request(entries: Sequence[Entry], config: Config) -> str:
    """Return its title, an empty line, and its text in Markdown."""
    host = config.server.host
    named = [f"`{entry.name}`" for entry in entries if entry.name]
    is_one = len(entries) == 1
    what = f"{'entry' if is_one else 'entries'} {', '.join(named)}" if named else f"entry for {host}"
    paragraphs = [
        f"Remove the {what} ({host})" if named else f"Remove the {what}",
        f"Please remove the {what} from the list of public resolvers. {'It leads' if is_one else 'They lead'} to"
        f" {host}, a service that is not meant for everybody who reads the list:",
        "\n".join(f"    {stamp}" for entry in entries for stamp in entry.stamps),
        " ".join(_reasons(config)),
        " ".join(_signature(config)),
    ]
    return "\n\n".join(paragraphs)


def _reasons(config: Config) -> Iterator[str]:
    if any(one.preset != "own" for one in config.general_upstreams):
        yield (
            "It is a front end of a resolver that other people run, which the list's own rules do not admit"
            ' ("Frontends to other public services"), and we have agreed with them on what we may ask.'
        )
    yield (
        "Each copy of dnscrypt-proxy asks every server of the list several times a day, whether it is used or not, and"
        " we have not planned for that. Stubs that come all the same may be refused."
    )


def _signature(config: Config) -> Iterator[str]:
    about = config.about
    yield f"I run this service{f' for {about.name}' if about.name else ''}."
    if about.contact:
        yield f"You can reach us at {about.contact}."
    if config.pages.enabled:
        yield f"https://{public_authority(config)}/policy says the same of us, so that you can see whom you talk to."
    yield "If you want a proof, name a text, and it will stand in a TXT record of that host."
