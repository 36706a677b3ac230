"""The command line: verbs, exit codes and sentences. What they do is elsewhere.

Exit codes: 0 all is well; 1 it is not, and may be the next time; 2 the command line cannot be understood; 78
(EX_CONFIG of sysexits.h), of `serve` and `check`: nothing changes until somebody has changed the configuration, a file
that it names or this machine. The systemd unit tries again after 1, and not after 2 and 78.
"""

import asyncio
import base64
import gc
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, Final, NoReturn

import click

import dohproxy
from dohproxy import pipeline
from dohproxy.builders import clock
from dohproxy.config import (
    AddressUnavailable,
    Config,
    ConfigError,
    Problem,
    TlsConfig,
    UpstreamAddress,
    UpstreamConfig,
    check_authorities,
    check_files,
    check_snapshot,
    check_sockets,
    check_state,
    check_warnings,
    default_config,
    file_warnings,
    load,
    located,
    log_format_of,
    render,
    socket_warnings,
)
from dohproxy.config.addresses import Unusable, parse_host_name
from dohproxy.config.permissions import port_warnings
from dohproxy.config.resolv_conf import nameservers_in
from dohproxy.descriptors import descriptor_warnings
from dohproxy.doh.stamp import BadStamp, Protocol, Stamp, explain, promised
from dohproxy.doh.stamp_codec import decode_route, encode
from dohproxy.observability.announcer import Announcer
from dohproxy.observability.logs import configure_logs, log_everything
from dohproxy.runtime import serve
from dohproxy.tls.certificates import (
    BadCertificate,
    Chain,
    certificate_problems,
    certificate_warnings,
    key_warnings,
    read_chain_file,
)
from dohproxy.tls.policy import context_of
from dohproxy.tls.self_check import LimitsNotInForce, check_groups, handshake_seconds
from dohproxy.tls.throwaway import tbs_hash, write_throwaway_certificate
from dohproxy.tools import upstream_report as examine
from dohproxy.tools.handshake_price import price_warnings
from dohproxy.tools.healthcheck import Unhealthy, check_health
from dohproxy.tools.observation import Observation
from dohproxy.tools.stamps import stamp_sheet
from dohproxy.tools.upstream_probe import probe_all, probe_query
from dohproxy.wire.name import from_text
from dohproxy.wire.query import Query

VERSION: Final = dohproxy.__version__ + ("" if pipeline.__file__.endswith(".py") else " (compiled)")
EXIT_AGAIN: Final = 1
EXIT_CONFIG: Final = 78
RESOLV_CONF: Final = Path("/etc/resolv.conf")

_config_option = click.option(
    "--config",
    "file",
    type=click.Path(path_type=Path, dir_okay=False),
    help="The configuration, a TOML file. Without it: this machine's resolvers, on loopback, to try things out.",
)
_required_config_option = click.option(
    "--config", "file", required=True, type=click.Path(path_type=Path, dir_okay=False), help="The configuration file."
)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(VERSION, prog_name="dohproxy")
def main() -> None:
    """A hardened DNS-over-HTTPS proxy in front of somebody else's resolvers, or your own."""


@main.command("serve")
@_config_option
def serve_verb(file: Path | None) -> None:
    """Serve until SIGTERM or Ctrl-C; requests under way are finished."""
    announcer = Announcer("text" if file is None else log_format_of(file), clock)
    with _ending(announcer):
        if file is not None:
            config = load(file)
            with _locating(config):
                _run(
                    _checked(config, announcer, is_strict=False),
                    lambda addresses: announcer.news(f"dohproxy {VERSION} serves on {', '.join(addresses)}"),
                    file,
                )
        else:
            with _trial_config() as (config, certificate):
                _run(config, lambda addresses: announcer.news(trial_text(config, addresses[0], certificate)))


@main.command("check")
@_required_config_option
@click.option("--lenient", is_flag=True, help="Only what `serve` refuses is an error: an expired certificate is none.")
def check_verb(file: Path, *, lenient: bool) -> None:
    """Read the configuration and the files it names; tell every error, each with its remedy."""
    # A person reads this, whatever form the log has.
    announcer = Announcer("text", clock)
    with _ending(announcer):
        config = load(file)
        with _locating(config):
            _checked(config, announcer, is_strict=not lenient)
        announcer.news(
            f"{file}: fine, {len(config.upstreams)} upstream(s), listening on"
            f" {', '.join(map(str, config.server.listen))}"
        )


@contextmanager
def _ending(announcer: Announcer) -> Iterator[None]:
    """Say why there is no service, and exit with the code that says whether trying again may help."""
    try:
        yield
    except (ConfigError, LimitsNotInForce) as error:
        announcer.error(error)
        sys.exit(EXIT_AGAIN if isinstance(error, AddressUnavailable) else EXIT_CONFIG)


@main.command("healthcheck")
@_required_config_option
def healthcheck_verb(file: Path) -> None:
    """Ask the running service one question that it answers by itself; exit 0 if it does."""
    try:
        told = check_health(load(file))
    except ConfigError as error:
        _fail(render(error))
    except Unhealthy as error:
        _fail(f"unhealthy: {error}")
    _say(f"healthy: {told}" if told else "healthy")


@main.group("stamp", invoke_without_command=True)
@click.option("--config", "file", type=click.Path(path_type=Path, dir_okay=False), help="The configuration file.")
@click.option("--dnssec", is_flag=True, help="Promise that the upstreams validate DNSSEC.")
@click.option("--no-logs", is_flag=True, help="Promise that neither proxy nor upstreams keep logs of who asks what.")
@click.option("--no-filter", is_flag=True, help="Promise that no name is blocked or changed.")
@click.option("--address", "addresses", multiple=True, metavar="IP[:PORT]", help="Where clients connect; repeatable.")
@click.option("--hash/--no-hash", "with_hash", default=None, help="Only stamps with, or without, a certificate hash.")
@click.pass_context
def stamp_verb(
    context: click.Context, /, file: Path | None, addresses: tuple[str, ...], with_hash: bool | None, **promises: bool
) -> None:
    """Print the sdns:// stamps of the configured service; what to know about them goes to standard error."""
    if context.invoked_subcommand is not None:
        return
    if file is None:
        raise click.UsageError("Missing option '--config', or 'decode URI' to explain a stamp.")
    try:
        config = load(file)
        if with_hash and config.tls is None:
            _fail("Without [tls] the certificate that clients see is not known here; ask for --no-hash.")
        with _locating(config):
            chain = _read_chain(config.tls) if config.tls is not None and with_hash is not False else None
        sheet = stamp_sheet(config, chain, addresses, promised(promises), with_plain=not with_hash)
    except ConfigError as error:
        _fail(render(error))
    except BadStamp as error:
        _fail(str(error))
    for remark in sheet.remarks:
        click.echo(f"remark: {remark}", err=True)
    _say(sheet.text)


@stamp_verb.command("decode")
@click.argument("uri")
def stamp_decode_verb(uri: str) -> None:
    """Explain any sdns:// stamp, a relay's or the joined form of relay and server too."""
    try:
        _say("\n\n".join(explain(stamp) for stamp in decode_route(uri.strip())))
    except BadStamp as error:
        _fail(str(error))


@main.group("upstream")
def upstream_verb() -> None:
    """Look at the configured upstreams."""


@upstream_verb.command("test")
@_required_config_option
@click.option(
    "--name",
    "qname",
    help="The name whose name servers are asked for. By default com, and the first domain of an upstream's route.",
)
@click.argument("wanted", nargs=-1, metavar="[NAME]...")
def upstream_test_verb(file: Path, qname: str | None, wanted: tuple[str, ...]) -> None:
    """Send one query to each upstream, or to each NAME, and tell how it is answered; exit 0 if all are well.

    An upstream that may only not stand something in the query gets up to ten more, without.
    """
    try:
        config = load(file)
    except ConfigError as error:
        _fail(render(error))
    problems = located(check_authorities(config), config.lines)
    if problems:
        _fail(render(ConfigError(problems)))
    upstreams = _wanted(config, wanted)
    if qname is not None:
        names = dict.fromkeys((one.name for one in upstreams), _parse_qname(qname))
    else:
        # A name with letters shows what becomes of its case. Whoever is there for one domain need not know others.
        names = {name: from_text(route.domains[0]) for route in config.routes for name in route.upstreams}
    queries = [probe_query(names.get(one.name, from_text("com"))) for one in upstreams]
    seen = asyncio.run(_probe_each(upstreams, queries, config.resolver.deadline_seconds))
    reports = [examine.report(one, time.time()) for one in seen]
    _say(examine.render(reports))
    sys.exit(0 if all(report.is_well for report in reports) else 1)


async def _probe_each(
    upstreams: Sequence[UpstreamConfig], queries: Sequence[Query], seconds: float
) -> list[Observation]:
    """Send each upstream its query, all at the same time."""
    asked = [probe_all([one], query, seconds=seconds) for one, query in zip(upstreams, queries, strict=True)]
    return [seen for found in await asyncio.gather(*asked) for seen in found]


def _wanted(config: Config, names: tuple[str, ...]) -> list[UpstreamConfig]:
    configured = {upstream.name: upstream for upstream in config.upstreams}
    for name in names:
        if name not in configured:
            raise click.UsageError(f"No upstream is called {name}; there are: {', '.join(configured)}.")
    return [upstream for name, upstream in configured.items() if not names or name in names]


def _parse_qname(text: str) -> bytes:
    try:
        return from_text("" if text == "." else parse_host_name(text.removesuffix(".")))
    except Unusable as error:
        raise click.UsageError(f"--name {text} {error}") from None


def _checked(config: Config, announcer: Announcer, *, is_strict: bool) -> Config:
    """Return the configuration if the files it names can be used too; print what is allowed but hardly meant.

    A certificate that clients will refuse, or a snapshot that cannot be saved, is an error if `is_strict`; see
    `certificate_problems`, `check_snapshot`, `check_state`.
    """
    problems = (*check_files(config), *check_sockets(config))
    if problems:
        raise ConfigError(problems)
    prices = _check_handshakes(config)
    problems, warnings = _check_certificate(config)
    problems += check_snapshot(config)
    problems += check_state(config)
    if problems and is_strict:
        raise ConfigError(problems)
    told = (
        *problems,
        *check_warnings(config),
        *((*file_warnings(config), *port_warnings(config)) if is_strict else ()),
        *socket_warnings(config),
        *descriptor_warnings(config),
        *warnings,
        *prices,
    )
    for warning in located(told, config.lines):
        announcer.warning(warning)
    return config


@contextmanager
def _locating(config: Config) -> Iterator[None]:
    """Give what is found wrong later the lines of the file in which its keys stand."""
    try:
        yield
    except ConfigError as error:
        raise type(error)(located(error.problems, config.lines)) from None


def _check_handshakes(config: Config) -> tuple[Problem, ...]:
    """Return what the operator should know of the price of handshakes. Raises ConfigError, and LimitsNotInForce if
    strangers could make them dearer."""
    context = context_of(config.tls)
    if context is None:
        return ()
    check_groups(context)
    return price_warnings(config.connections, handshake_seconds(context))


def _check_certificate(config: Config) -> tuple[tuple[Problem, ...], tuple[Problem, ...]]:
    """Return what makes clients refuse the certificate, and what they accept and the operator should know."""
    if config.tls is None:
        return (), ()
    chain, now = _read_chain(config.tls), time.time()
    return (
        certificate_problems(chain, config.server.host, now),
        (*certificate_warnings(chain, now), *key_warnings(config.tls)),
    )


def _read_chain(tls: TlsConfig) -> Chain:
    try:
        return read_chain_file(tls.certificate)
    except (BadCertificate, OSError) as error:
        sentence = error.strerror if isinstance(error, OSError) else str(error)
        raise ConfigError((Problem("tls.certificate", f"{tls.certificate}: {sentence}"),)) from None


def _run(config: Config, announce: Any, file: Path | None = None) -> None:
    limit = configure_logs(config.log, clock)
    log_everything()
    with asyncio.Runner(loop_factory=_loop_factory) as runner:
        try:
            runner.run(serve(config, freezing(announce), limit, file))
        except* ConfigError as group:
            raise next(_leaves(group)) from None


def freezing(announce: Callable[[tuple[str, ...]], None]) -> Callable[[tuple[str, ...]], None]:
    """Return `announce` with what else there is to do once everything is built.

    From then on the garbage collector leaves alone what lives as long as the process. Among it is the cache's list of
    keys, through which it would look for 20 ms or more where there are a million.
    """

    def announce_frozen(addresses: tuple[str, ...]) -> None:
        gc.freeze()
        announce(addresses)

    return announce_frozen


def _leaves(group: BaseExceptionGroup[Any]) -> Iterator[BaseException]:
    for error in group.exceptions:
        if isinstance(error, BaseExceptionGroup):
            yield from _leaves(error)
        else:
            yield error


def _loop_factory() -> asyncio.AbstractEventLoop:
    """Return uvloop's loop where there is one; with the standard one everything works, and costs somewhat more."""
    try:
        import uvloop
    except ImportError:
        return asyncio.new_event_loop()
    loop: asyncio.AbstractEventLoop = uvloop.new_event_loop()
    return loop


# --- Without a file ---


@contextmanager
def _trial_config() -> Iterator[tuple[Config, Path]]:
    """Give a configuration to try things out: this machine's resolvers, a certificate made for the occasion."""
    config = default_config(system_upstreams(RESOLV_CONF))
    with tempfile.TemporaryDirectory(prefix="dohproxy-") as directory:
        certificate, key = write_throwaway_certificate(Path(directory), config.server.host)
        yield replace(config, tls=TlsConfig(certificate, key)), certificate


def system_upstreams(resolv_conf: Path) -> tuple[UpstreamConfig, ...]:
    """Return the resolvers that this machine uses. Raises ConfigError if none can be found."""
    hosts: tuple[str, ...] = ()
    try:
        hosts = nameservers_in(resolv_conf.read_text(encoding="utf-8", errors="replace"))
        reason = f"{resolv_conf} names no resolver"
    except OSError as error:
        reason = f"{resolv_conf} cannot be read ({error.strerror})"
    if not hosts:
        sentence = f'{reason}; write a file with an [[upstream]], for instance url = "tls://192.0.2.53#ns0.example.net"'
        raise ConfigError((Problem("upstream", f"none is configured: {sentence}, and give it with --config"),))
    return tuple(
        UpstreamConfig(name=f"system{number}", url=UpstreamAddress("udp", host, 53))
        for number, host in enumerate(hosts)
    )


def trial_text(config: Config, address: str, certificate: Path) -> str:
    """Return what a newcomer is shown: the URL, the stamp, and a command to try."""
    url = f"https://{address}{config.server.path}"
    ip, _, port = address.rpartition(":")
    host = f"{config.server.host}:{port}"
    stamp = encode(Stamp(Protocol.DOH, address=ip, hashes=(tbs_hash(certificate),), host=host, path=config.server.path))
    upstreams = ", ".join(str(upstream.url) for upstream in config.upstreams)
    query = base64.urlsafe_b64encode(
        bytes.fromhex("00000100000100000000000007657861") + b"mple\x03com\x00\x00\x01\x00\x01"
    )
    return "\n".join((
        f"dohproxy {VERSION} serves {url}",
        f"with a throw-away certificate, asking {upstreams}",
        "",
        f"stamp:  {stamp}",
        f"try:    curl --doh-insecure --doh-url {url} https://example.com/",
        f"        curl --insecure '{url}?dns={query.decode().rstrip('=')}' --output - | od -c",
        "",
        "Ctrl-C ends it. For real service write a file: dohproxy serve --config FILE",
    ))  # fmt: skip


def _say(text: str) -> None:
    click.echo(text)
    sys.stdout.flush()


def _fail(text: str) -> NoReturn:
    click.echo(text, err=True)
    sys.exit(1)
