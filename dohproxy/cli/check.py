"""The verb `check`: what is wrong with a configuration and the files it names. `serve` asks the same."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import click

from dohproxy.builders import clock
from dohproxy.cli.terminal import EXIT_CONFIG, EXIT_FAILED, required_config_option
from dohproxy.config import (
    AddressUnavailable,
    Config,
    ConfigError,
    Problem,
    TlsConfig,
    check_ban_log,
    check_files,
    check_members,
    check_pages,
    check_snapshot,
    check_sockets,
    check_state,
    check_warnings,
    command_warnings,
    file_warnings,
    load,
    located,
    socket_warnings,
)
from dohproxy.config.permissions import port_warnings
from dohproxy.descriptors import descriptor_warnings
from dohproxy.observability.announcer import Announcer
from dohproxy.policy.discovery.proof import is_wanted_in_vain
from dohproxy.tls.certificate_pair import server_context
from dohproxy.tls.certificates import (
    Chain,
    certificate_problems,
    certificate_warnings,
    key_warnings,
    read_chain_file,
)
from dohproxy.tls.self_check import LimitsNotInForce, check_groups, handshake_seconds
from dohproxy.tools.handshake_price import price_warnings
from dohproxy.x509 import UnreadableCertificate


@click.command("check")
@required_config_option
@click.option("--lenient", is_flag=True, help="Only what `serve` refuses is an error: an expired certificate is none.")
def check_verb(file: Path, *, lenient: bool) -> None:
    """Read the configuration and the files it names; tell every error, each with its remedy."""
    # A person reads this, whatever form the log has.
    announcer = Announcer("text", clock)
    with ending(announcer):
        config = load(file)
        with locating(config):
            checked(config, announcer, is_strict=not lenient)
        announcer.news(
            f"{file}: fine, {len(config.upstreams)} upstream(s), listening on"
            f" {', '.join(str(listener) for _, listener in config.public_listen)}"
        )


@contextmanager
def ending(announcer: Announcer) -> Iterator[None]:
    """Say why there is no service, and exit with the code that says whether trying again may help."""
    try:
        yield
    except (ConfigError, LimitsNotInForce) as error:
        announcer.error(error)
        sys.exit(EXIT_FAILED if isinstance(error, AddressUnavailable) else EXIT_CONFIG)


@dataclass(frozen=True, slots=True)
class Examined:
    """What is to be said of a configuration that the service can start with."""

    problems: tuple[Problem, ...]
    """What is an error before a change, and to a service that starts only worth telling: a certificate that clients
    will refuse, a snapshot that cannot be saved."""
    warnings: tuple[Problem, ...]
    """What is allowed and hardly meant."""


def checked(config: Config, announcer: Announcer, *, is_strict: bool) -> Config:
    """Return the configuration if the files it names can be used too; print what is allowed but hardly meant.

    Raises ConfigError, also for `Examined.problems` if `is_strict`, and LimitsNotInForce.
    """
    found = examine(config, is_strict=is_strict)
    if found.problems and is_strict:
        raise ConfigError(found.problems)
    for warning in located((*found.problems, *found.warnings), config.lines):
        announcer.warning(warning)
    return config


def examine(config: Config, *, is_strict: bool = True) -> Examined:
    """Look at a configuration and at the files it names; see `certificate_problems`, `check_ban_log`, `check_members`,
    `check_pages`, `check_snapshot`, `check_state`. With `is_strict` also at what the service's own user may do, which
    need not be who looks.

    Raises ConfigError for what keeps the service from starting, and LimitsNotInForce.
    """
    problems = (*check_files(config), *check_sockets(config))
    if problems:
        raise ConfigError(problems)
    prices = _check_handshakes(config)
    problems, warnings = _check_certificate(config)
    return Examined(
        (
            *problems,
            *check_ban_log(config),
            *check_members(config),
            *check_pages(config),
            *check_snapshot(config),
            *check_state(config),
        ),
        (
            *check_warnings(config),
            *command_warnings(config),
            *((*file_warnings(config), *port_warnings(config)) if is_strict else ()),
            *socket_warnings(config),
            *descriptor_warnings(config),
            *warnings,
            *prices,
        ),
    )


@contextmanager
def locating(config: Config) -> Iterator[None]:
    """Give what is found wrong later the lines of the file in which its keys stand."""
    try:
        yield
    except ConfigError as error:
        raise type(error)(located(error.problems, config.lines)) from None


def _check_handshakes(config: Config) -> tuple[Problem, ...]:
    """Return what the operator should know of the price of handshakes. Raises ConfigError, and LimitsNotInForce if
    strangers could make them dearer."""
    if config.tls is None:
        return ()
    context = server_context(config.tls)
    check_groups(context)
    return price_warnings(config.connections, handshake_seconds(context))


def _check_certificate(config: Config) -> tuple[tuple[Problem, ...], tuple[Problem, ...]]:
    """Return what makes clients refuse the certificate, and what they accept and the operator should know."""
    if config.tls is None:
        return (), ()
    chain, now = read_chain(config.tls), time.time()
    return (
        certificate_problems(chain, config.server.host, now),
        (*certificate_warnings(chain, now), *key_warnings(config.tls), *_proof_warnings(config, chain)),
    )


def _proof_warnings(config: Config, chain: Chain) -> Iterator[Problem]:
    if is_wanted_in_vain(config, chain.server.matches):
        yield Problem(
            "tls.certificate",
            f"is not for *.{config.pages.proof_domain}: /setup is without the picture that says whether it works. Add"
            " that name to it (by a DNS challenge), or write another domain in pages.proof_domain.",
        )


def read_chain(tls: TlsConfig) -> Chain:
    """Return the certificates that clients are shown. Raises ConfigError."""
    try:
        return read_chain_file(tls.certificate)
    except (UnreadableCertificate, OSError) as error:
        sentence = error.strerror if isinstance(error, OSError) else str(error)
        raise ConfigError((Problem("tls.certificate", f"{tls.certificate}: {sentence}"),)) from None
