"""The verb `records`: the DNS records to publish for the configured service, ready for a zone file."""

from collections.abc import Sequence
from dataclasses import replace
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path
from typing import Any

import click

from dohproxy.cli.check import read_chain
from dohproxy.cli.terminal import EXIT_CONFIG, fail, installed_config_option, say
from dohproxy.config import Config, ConfigError, load, render
from dohproxy.config.addresses import Unusable, parse_public_name
from dohproxy.config.discovery_values import parse_own_address, why_untold
from dohproxy.config.keys import show
from dohproxy.policy.discovery.proof import is_covered
from dohproxy.policy.discovery.served import served_of
from dohproxy.tls.certificates import Certificate
from dohproxy.tools.doctor.connecting import own_addresses
from dohproxy.tools.publication import publication_of, zone_lines


@click.command("records")
@installed_config_option
@click.option("--host", metavar="NAME", help="The public name, if not server.host.")
@click.option("--address", "addresses", multiple=True, metavar="IP", help="Where clients connect; repeatable.")
def records_verb(file: Path, host: str | None, addresses: tuple[str, ...]) -> None:
    """Print the DNS records to publish: A, AAAA, HTTPS, SVCB, CAA, as lines of a zone file.

    They are made of what the configuration serves, as what clients are told is (docs/discovery.md). `dohproxy doctor`
    compares them with what is published. What to know about them goes to standard error.
    """
    given = given_addresses(addresses)
    name = None if host is None else parsed_option("--host", host, parse_public_name)
    try:
        config = load(file)
    except ConfigError as error:
        fail(render(error), EXIT_CONFIG)
    name = config.server.host if name is None else name
    why = why_untold(name)
    if why is not None:
        fail(f"There is nothing to publish: {show(name)} {why}. Write the public name in server.host, or give --host.")
    certificate = _certificate(config)
    served = replace(served_of(config, own_addresses(), given), host=name)
    for one in served.hosts:
        if certificate is not None and not certificate.matches(one):
            _remark(f"The certificate is not for {one}: every client would refuse the service under this name.")
    domain = config.pages.proof_domain if config.pages.enabled else None
    if domain is not None:
        if certificate is not None and not is_covered(domain, certificate.matches):
            _remark(f"The certificate is not for *.{domain}: /setup is without the picture that says whether it works.")
        _remark(f"Publish no wildcard record at *.{domain}: everybody would be told by /setup that it works.")
    issuer = None if certificate is None else certificate.issuer
    say("\n".join(zone_lines(publication_of(served, issuer, config.discovery.ttl_seconds))))


def given_addresses(texts: Sequence[str]) -> list[IPv4Address | IPv6Address]:
    """Return the addresses that --address gives, each once. Raises UsageError."""
    return list(dict.fromkeys(parsed_option("--address", text, parse_own_address) for text in texts))


def parsed_option(option: str, text: str, parse: Any) -> Any:
    """Return what a parser of the configuration makes of a value. Raises UsageError with its sentence."""
    try:
        return parse(text, Path())
    except Unusable as error:
        raise click.UsageError(f"{option} {text.removeprefix('udp://')} {error}") from None


def _certificate(config: Config) -> Certificate | None:
    """Return the service's own certificate, None if there is none here or it cannot be read, which is told."""
    try:
        return None if config.tls is None else read_chain(config.tls).server
    except ConfigError as error:
        _remark(render(error))
        return None


def _remark(sentence: str) -> None:
    click.echo(f"remark: {sentence}", err=True)
