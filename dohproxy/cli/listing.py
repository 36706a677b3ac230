"""The verb `listing`: whether an entry of a public list leads to the configured service, and how it should read."""

import json
import sys
from pathlib import Path
from typing import Any, Final

import click

from dohproxy.cli.check import locating, read_chain
from dohproxy.cli.terminal import EXIT_CONFIG, EXIT_FAILED, EXIT_USAGE, fail, installed_config_option, say
from dohproxy.config import Config, ConfigError, load, render
from dohproxy.doh.stamp import BadStamp, Properties
from dohproxy.regular_file import read_regular
from dohproxy.tools.doctor.findings import Severity, worst
from dohproxy.tools.doctor.rendering import as_text, as_values
from dohproxy.tools.listing.audit import Audit, audit, leads_to
from dohproxy.tools.listing.doors import doors_of
from dohproxy.tools.listing.entries import MOST_BYTES, BadEntry, read_entries
from dohproxy.tools.listing.promises import promises_of
from dohproxy.tools.listing.removal import removal_request
from dohproxy.tools.listing.stamp_audit import Service

STANDARD_INPUT: Final = "-"


@click.command("listing")
@installed_config_option
@click.argument("entry")
@click.option("--address", "addresses", multiple=True, metavar="IP[:PORT]", help="Where clients connect; repeatable.")
@click.option("--name", default="", metavar="NAME", help="What the entry should be called.")
@click.option("--dnssec/--no-dnssec", default=None, help="Whether the upstreams validate DNSSEC.")
@click.option("--no-logs/--logs", default=None, help="Whether no logs are kept of who asks what, here and upstream.")
@click.option("--no-filter/--filter", default=None, help="Whether no name is blocked or changed, here and upstream.")
@click.option("--remove", is_flag=True, help="Write the request by which the entry is removed from the list.")
@click.option("--json", "is_json", is_flag=True, help="Write what was found as JSON, for programs.")
def listing_verb(
    file: Path,
    entry: str,
    addresses: tuple[str, ...],
    name: str,
    *,
    remove: bool,
    is_json: bool,
    **promised: bool | None,
) -> None:
    """Compare an entry of a public list of resolvers with the configuration, and write it as it should be.

    ENTRY is an sdns:// stamp, or a file with a list's entry or a whole list, of which those are looked at that lead
    here; - is standard input. It exits with 0 if all is right, or nothing in the list leads here; with 1 if something
    is wrong; with 2 if ENTRY cannot be read; with 78 if the configuration cannot be used.
    """
    config = _load(file)
    try:
        service = _service(config, addresses, name, promised)
        entries = read_entries(_text_of(entry))
    except (BadEntry, BadStamp) as bad:
        fail(str(bad), EXIT_USAGE)
    if len(entries) > 1:
        entries = tuple(one for one in entries if leads_to(one, service))
        if not entries:
            sentence = f"Nothing in the list leads to {config.server.host}."
            say(json.dumps({"sentence": sentence, "well": True, "entries": []}, indent=1) if is_json else sentence)
            return
    request = removal_request(entries, config) if remove else ""
    try:
        audits = [audit(one, service) for one in entries]
    except BadStamp as bad:
        fail(str(bad))
    found = [one for each in audits for one in each.findings]
    is_well = worst(found) in (Severity.OK, Severity.NOTE)
    if is_json:
        say(json.dumps(_values(audits, request), indent=1))
    else:
        say(request if remove else "\n\n".join(map(_text, audits)))
    sys.exit(0 if is_well or remove else EXIT_FAILED)


def _load(file: Path) -> Config:
    try:
        return load(file)
    except ConfigError as error:
        fail(render(error), EXIT_CONFIG)


def _service(config: Config, addresses: tuple[str, ...], name: str, promised: dict[str, bool | None]) -> Service:
    """Return what is known of the service. Raises BadStamp if one of the addresses is none."""
    try:
        with locating(config):
            chain = None if config.tls is None else read_chain(config.tls)
    except ConfigError as error:
        fail(render(error), EXIT_CONFIG)
    wanted = {flag: is_so for flag in Properties if (is_so := promised.get(str(flag.name).lower())) is not None}
    return Service(config, doors_of(config, addresses), chain, promises_of(config, wanted), name)


def _text_of(entry: str) -> str:
    """Return what is to be looked at. Raises BadEntry if it is a file that cannot be read."""
    if entry.startswith("sdns:"):
        return entry
    try:
        if entry == STANDARD_INPUT:
            content = sys.stdin.buffer.read(MOST_BYTES + 1)
        else:
            content = read_regular(Path(entry), MOST_BYTES + 1)
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else str(error)
        raise BadEntry(f"{entry!a} is no sdns:// stamp, and as a file it cannot be read: {why}.") from None
    if len(content) > MOST_BYTES:
        raise BadEntry(f"{entry!a} is longer than {MOST_BYTES:,} bytes, so it is hardly a list of resolvers.")
    return content.decode("utf-8", "replace")


def _text(one: Audit) -> str:
    blocks = [f"# {one.entry.name}"] if one.entry.name else []
    blocks.append(as_text(one.findings, None))
    if one.corrected != one.entry:
        blocks += ["How it should read:", str(one.corrected)]
    return "\n\n".join(blocks)


def _values(audits: list[Audit], request: str) -> dict[str, Any]:
    """Return the same for JSON."""
    entries = [_entry_values(one) for one in audits]
    is_well = all(one["well"] for one in entries)
    sentence = "The entry is as it should be." if is_well else "The entry should be corrected."
    values = {"sentence": sentence, "well": is_well, "entries": entries}
    return values | ({"request": request} if request else {})


def _entry_values(one: Audit) -> dict[str, Any]:
    values = as_values(one.findings, None)
    del values["records"]
    return {"name": one.entry.name, **values, "is_changed": one.corrected != one.entry, "corrected": str(one.corrected)}
