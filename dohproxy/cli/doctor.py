"""The verb `doctor`: all that can be found out about a service from where it runs, each finding with its remedy."""

import asyncio
import json
import os
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from ipaddress import ip_address
from pathlib import Path
from typing import Any, Final

import click

import dohproxy
from dohproxy.cli.check import examine, read_chain
from dohproxy.cli.ctl import NoSocket, find_socket
from dohproxy.cli.records import given_addresses, parsed_option
from dohproxy.cli.terminal import EXIT_CONFIG, EXIT_FAILED, installed_config_option, say
from dohproxy.cli.trial import RESOLV_CONF
from dohproxy.cli.upstream import probe_each, usual_queries
from dohproxy.config import Config, ConfigError, NodesConfig, UpstreamAddress, check_authorities, load, located
from dohproxy.config.addresses import parse_listen, parse_public_name, parse_upstream
from dohproxy.config.discovery_values import why_untold
from dohproxy.config.permissions import service_user
from dohproxy.config.resolv_conf import nameservers_in
from dohproxy.control.client import Unreachable, send
from dohproxy.policy.discovery.served import public_port, served_of
from dohproxy.tls.certificates import Chain
from dohproxy.tls.self_check import LimitsNotInForce
from dohproxy.tools.doctor import (
    client_view,
    clock,
    connecting,
    kernel,
    lookups,
    permissions,
    proof,
    published,
    service,
    upstreams,
    version,
)
from dohproxy.tools.doctor.findings import Finding, Look, Severity, look_at, of_problems, worst
from dohproxy.tools.doctor.rendering import as_text, as_values
from dohproxy.tools.publication import Publication, publication_of, questions_of

CONFIGURATION: Final = "configuration"
STATUS_SECONDS: Final = 5.0
"""For the service to say how it is; it takes some milliseconds."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What the command line says."""

    file: Path
    socket: Path | None
    host: str | None
    addresses: tuple[str, ...]
    at: str | None
    ca_file: Path | None
    resolver: str | None
    newest_tag: str | None
    offline: bool


@click.command("doctor")
@installed_config_option
@click.option("--socket", type=click.Path(path_type=Path), help="The admin socket, if not that of the configuration.")
@click.option("--host", metavar="NAME", help="The public name, if not server.host.")
@click.option("--address", "addresses", multiple=True, metavar="IP", help="Where clients connect; repeatable.")
@click.option("--at", metavar="IP:PORT", help="Where a front proxy listens: looked at as a client would, too.")
@click.option(
    "--ca-file",
    type=click.Path(path_type=Path, dir_okay=False, exists=True),
    help="Authorities, PEM, that clients trust, in place of this machine's.",
)
@click.option("--resolver", metavar="IP[:PORT]", help="Whom to ask for the published records, if not this machine's.")
@click.option("--newest-tag", metavar="TAG", help="The newest version that is out, such as v1.2.3, to compare with.")
@click.option("--offline", is_flag=True, help="Ask neither the upstreams nor a resolver.")
@click.option("--lenient", is_flag=True, help="Exit with 0 if there are warnings and no fault.")
@click.option("--json", "is_json", is_flag=True, help="Write what was found as JSON, for programs.")
def doctor_verb(is_json: bool, lenient: bool, **given: Any) -> None:
    """Look at everything that can be seen from here and tell what is wrong, each with its remedy. Changes nothing.

    It exits with 0 if there is no warning and no fault, with 1 if there is, with 78 if the configuration cannot be
    used. It asks the service itself, its listeners, each upstream one question (up to ten more where that goes wrong),
    and a resolver for the published records.
    """
    asked = Asked(**given)
    try:
        config = load(asked.file)
    except ConfigError as error:
        looks: dict[str, Look] = {clock.SUBJECT: lambda: clock.judge(clock.see())}
        findings = [*of_problems(CONFIGURATION, Severity.FAULT, error.problems), *look_at(looks)]
        _say(findings, None, is_json=is_json)
        sys.exit(EXIT_CONFIG)
    visit = _Visit(asked, config)
    findings = look_at(visit.looks())
    _say(findings, visit.publication, is_json=is_json)
    is_well = worst(findings) in (Severity.OK, Severity.NOTE) or (lenient and worst(findings) is Severity.WARNING)
    sys.exit(0 if is_well else EXIT_FAILED)


def _say(findings: list[Finding], publication: Publication | None, *, is_json: bool) -> None:
    say(json.dumps(as_values(findings, publication), indent=1) if is_json else as_text(findings, publication))


class _Visit:
    """One look at one service: what several looks have in common."""

    def __init__(self, asked: Asked, config: Config) -> None:
        self._asked = asked
        self._config = config
        self._host = config.server.host
        if asked.host is not None:
            self._host = parsed_option("--host", asked.host, parse_public_name)
        self._given = given_addresses(asked.addresses)
        self._at = None if asked.at is None else parsed_option("--at", asked.at, parse_listen)
        self._resolvers = _resolvers(asked.resolver)
        self._own = connecting.own_addresses()
        self._chain: Chain | None = None
        """As clients were shown it."""
        self._body, self._silence = _ask_service(asked)
        self.publication: Publication | None = None

    def looks(self) -> dict[str, Look]:
        """Return all looks, by what they are at; later ones may know what earlier ones have seen."""
        return {
            clock.SUBJECT: lambda: clock.judge(clock.see()),
            kernel.SUBJECT: lambda: kernel.judge(kernel.see(), self._config),
            permissions.SUBJECT: self._permissions,
            service.SUBJECT: self._service,
            client_view.LISTENERS: self._listeners,
            CONFIGURATION: self._configuration,
            **({} if self._config.nodes is None else {"store": partial(self._store, self._config.nodes)}),
            upstreams.SUBJECT: self._upstreams,
            published.SUBJECT: self._records,
            proof.SUBJECT: self._proof,
            version.SUBJECT: self._version,
        }

    def _configuration(self) -> Iterator[Finding]:
        config = self._config
        try:
            found = examine(config)
        except ConfigError as error:
            yield from of_problems(CONFIGURATION, Severity.FAULT, located(error.problems, config.lines))
            return
        except LimitsNotInForce as error:
            yield Finding(
                CONFIGURATION, Severity.FAULT, str(error), "use the OpenSSL and the Python of your distribution"
            )
            return
        # What was seen where it matters is told from there: the certificate as clients are shown it, and open files as
        # the service has them.
        seen = (("tls.certificate", self._chain), ("connections.max_total", self._body))
        ignored = [path for path, what in seen if what is not None]
        for severity, problems in ((Severity.FAULT, found.problems), (Severity.WARNING, found.warnings)):
            told = [one for one in located(problems, config.lines) if one.path not in ignored]
            yield from of_problems(CONFIGURATION, severity, told)
        if not found.problems and not found.warnings:
            yield Finding(CONFIGURATION, Severity.OK, f"{self._asked.file} and the files it names can be used")

    def _permissions(self) -> Iterator[Finding]:
        # Whoever is not root sees with his own eyes what the service's user may; `check` has it then.
        reader = service_user() if os.geteuid() == 0 else None
        if reader is not None:
            yield from permissions.judge_unwritable(permissions.see_unwritable(self._config, reader), reader)
        yield from permissions.judge(permissions.see(self._config, self._asked.file))

    def _service(self) -> Iterator[Finding]:
        return service.judge_silence(self._silence) if self._body is None else service.judge(self._body, self._config)

    def _listeners(self) -> Iterator[Finding]:
        config, host = self._config, self._host
        places = list(connecting.places_of(config.server.listen, self._own, self._at))
        met = connecting.meet_all(places, config, host, self._asked.ca_file)
        self._chain = next((one.tls.chain for one in met if one.tls is not None), None)
        listened = frozenset(
            ip_address(one.host.partition("%")[0]).version for one in config.server.listen if one.is_public
        )
        yield from client_view.judge_listeners(met)
        yield from client_view.judge_families(met, listened, self._own, public_port(config))
        yield from client_view.judge_certificate(met, host, time.time(), _on_disk(config))

    def _store(self, nodes: NodesConfig) -> Iterator[Finding]:
        # The client of the store is loaded only where there is one.
        from dohproxy.tools.doctor import store

        return store.judge(store.see(nodes), nodes)

    def _upstreams(self) -> Iterator[Finding]:
        if self._asked.offline:
            yield Finding(upstreams.SUBJECT, Severity.NOTE, "they were not asked, as --offline says")
            return
        config = self._config
        if check_authorities(config):
            what = "they were not asked, as a file of authorities cannot be read"
            yield Finding(upstreams.SUBJECT, Severity.NOTE, what, "put right what is said of the configuration first")
            return
        # Somebody has paused them with a reason, most of all that they ban us; a question more would not help.
        paused = frozenset[str]() if self._body is None else service.paused_upstreams(self._body)
        asked = [one for one in config.upstreams if one.name not in paused]
        for one in config.upstreams:
            if one.name in paused:
                what = f"{one.name} was not asked, as it is paused"
                yield Finding(
                    upstreams.SUBJECT, Severity.NOTE, what, f"dohproxy upstream resume {one.name} has it asked again"
                )
        probing = probe_each(asked, usual_queries(config), config.resolver.deadline_seconds)
        yield from upstreams.judge(asyncio.run(probing), time.time())

    def _records(self) -> Iterator[Finding]:
        host, config = self._host, self._config
        why = why_untold(host)
        if why is not None:
            what = f"there is nothing to publish, as {host} {why}"
            yield Finding(
                published.SUBJECT, Severity.NOTE, what, "write the public name in server.host, or give --host"
            )
            return
        issuer = None if self._chain is None else self._chain.server.issuer
        served = replace(served_of(config, self._own, self._given), host=host)
        publication = self.publication = publication_of(served, issuer, config.discovery.ttl_seconds)
        if self._chain is not None:
            yield from published.judge_names(publication, self._chain.server.matches)
        if config.discovery.enabled and self._chain is not None:
            yield from published.judge_designation(served.addresses, self._chain.server.matches)
        if self._asked.offline:
            yield Finding(published.SUBJECT, Severity.NOTE, "what is published was not asked for, as --offline says")
            return
        questions = questions_of(publication, host)
        yield from published.judge(publication, host, asyncio.run(lookups.look_up(self._resolvers, questions)))

    def _proof(self) -> Iterator[Finding]:
        domain = proof.domain_of(self._config)
        if domain is None:
            return
        if self._chain is not None:
            yield from proof.judge_certificate(domain, self._chain.server.matches)
        if self._asked.offline:
            yield Finding(proof.SUBJECT, Severity.NOTE, "whether others know it was not asked, as --offline says")
            return
        yield from proof.judge(domain, asyncio.run(lookups.look_up(self._resolvers, proof.questions_of(domain))))

    def _version(self) -> Iterator[Finding]:
        running = None if self._body is None else service.running_version(self._body)
        return version.judge(dohproxy.__version__, self._asked.newest_tag, running)


def _on_disk(config: Config) -> Chain | None:
    """Return the chain that lies on the disk, None if there is none that could be compared with what is shown."""
    try:
        return None if config.tls is None else read_chain(config.tls)
    except ConfigError:  # The look at the configuration has words for it.
        return None


def _ask_service(asked: Asked) -> tuple[service.Body | None, str]:
    """Return what the running service says of itself, or None and why it says nothing."""
    try:
        answer = send(find_socket(asked.file, asked.socket), "/v1/status", {}, STATUS_SECONDS)
    except (NoSocket, Unreachable) as error:
        return None, str(error)
    return (answer.body, "") if answer.status == 200 else (None, answer.sentence)


def _resolvers(given: str | None) -> list[UpstreamAddress]:
    """Return whom to ask for records. Raises UsageError."""
    if given is not None:
        return [parsed_option("--resolver", f"udp://{given}", parse_upstream)]
    try:
        found = nameservers_in(RESOLV_CONF.read_text(encoding="utf-8", errors="replace"))
    except OSError:
        found = ()
    return [UpstreamAddress("udp", host, 53) for host in found]
