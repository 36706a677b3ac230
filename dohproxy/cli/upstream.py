"""The verbs `upstream ...`: how the configured upstreams answer."""

import asyncio
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import click

from dohproxy.cli.terminal import fail, required_config_option, say
from dohproxy.config import Config, ConfigError, UpstreamConfig, check_authorities, load, located, render
from dohproxy.config.addresses import Unusable, parse_host_name
from dohproxy.tools import upstream_report as examine
from dohproxy.tools.observation import Observation
from dohproxy.tools.upstream_probe import probe_all, probe_query
from dohproxy.wire.name import from_text
from dohproxy.wire.query import Query


@click.group("upstream")
def upstream_verb() -> None:
    """Look at the configured upstreams."""


@upstream_verb.command("test")
@required_config_option
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
        fail(render(error))
    problems = located(check_authorities(config), config.lines)
    if problems:
        fail(render(ConfigError(problems)))
    upstreams = _wanted(config, wanted)
    queries = (
        usual_queries(config) if qname is None else dict.fromkeys(config.upstreams, probe_query(_parse_qname(qname)))
    )
    seen = asyncio.run(probe_each(upstreams, queries, config.resolver.deadline_seconds))
    reports = [examine.report(one, time.time()) for one in seen]
    say(examine.render(reports))
    sys.exit(0 if all(report.is_well for report in reports) else 1)


def usual_queries(config: Config) -> dict[UpstreamConfig, Query]:
    """Return what each upstream is asked if nobody says otherwise.

    A name with letters shows what becomes of its case. Whoever is there for one domain need not know others.
    """
    names = {name: from_text(route.domains[0]) for route in config.routes for name in route.upstreams}
    return {one: probe_query(names.get(one.name, from_text("com"))) for one in config.upstreams}


async def probe_each(
    upstreams: Sequence[UpstreamConfig], queries: Mapping[UpstreamConfig, Query], seconds: float
) -> list[Observation]:
    """Send each upstream its query, all at the same time."""
    asked = [probe_all([one], queries[one], seconds=seconds) for one in upstreams]
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
