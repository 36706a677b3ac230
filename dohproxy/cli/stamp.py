"""The verb `stamp`: DNS stamps of the configured service, and what any stamp says."""

from pathlib import Path

import click

from dohproxy.cli.check import locating, read_chain
from dohproxy.cli.terminal import fail, say
from dohproxy.config import ConfigError, load, render
from dohproxy.doh.stamp import BadStamp, explain, promised
from dohproxy.doh.stamp_codec import decode_route
from dohproxy.tools.stamps import stamp_sheet


@click.group("stamp", invoke_without_command=True)
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
            fail("Without [tls] the certificate that clients see is not known here; ask for --no-hash.")
        with locating(config):
            chain = read_chain(config.tls) if config.tls is not None and with_hash is not False else None
        sheet = stamp_sheet(config, chain, addresses, promised(promises), with_plain=not with_hash)
    except ConfigError as error:
        fail(render(error))
    except BadStamp as error:
        fail(str(error))
    for remark in sheet.remarks:
        click.echo(f"remark: {remark}", err=True)
    say(sheet.text)


@stamp_verb.command("decode")
@click.argument("uri")
def stamp_decode_verb(uri: str) -> None:
    """Explain any sdns:// stamp, a relay's or the joined form of relay and server too."""
    try:
        say("\n\n".join(explain(stamp) for stamp in decode_route(uri.strip())))
    except BadStamp as error:
        fail(str(error))
