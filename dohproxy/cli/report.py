"""The verb `report`: what the service did in a span of time, from the sums that it keeps of each hour."""

import json
import os
import sys
import time
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo

import click

from dohproxy.cli.terminal import EXIT_CONFIG, EXIT_FAILED, fail, installed_config_option, say
from dohproxy.config import ConfigError, load, render
from dohproxy.control.durations import LONGEST_SECONDS
from dohproxy.durations import parse_seconds
from dohproxy.jobs.atomic_file import reason_of
from dohproxy.jobs.hour_book import NAME
from dohproxy.jobs.hour_file import MOST_DAYS, UnreadableHours, read_hours
from dohproxy.tools.usage import page, text
from dohproxy.tools.usage.sheet import sheet_of
from dohproxy.tools.usage.summary import Summary, summarise

LOCAL_ZONE: Final = Path("/etc/localtime")


@click.command("report")
@installed_config_option
@click.option("--since", metavar="TIME", help="From so long ago until now: 24h, 7d.")
@click.option("--days", type=click.IntRange(1, MOST_DAYS), help="The last whole days, up to midnight. 7 by default.")
@click.option("--format", "form", type=click.Choice(["text", "html"]), default="text", help="text by default.")
@click.option("--json", "is_json", is_flag=True, help="Write the figures as JSON, for programs.")
def report_verb(file: Path, since: str | None, days: int | None, form: str, is_json: bool) -> None:
    """Tell what the service did: how much was asked and answered, by how many networks, what limits did, incidents.

    It reads the hours in server.state_directory and needs no running service. No address and no name is in it.
    """
    if since is not None and days is not None:
        raise click.UsageError("Give --since or --days, not both.")
    now = datetime.fromtimestamp(time.time(), local_zone())
    begin, end = _since(since, now) if since is not None else whole_days(7 if days is None else days, now)
    try:
        config = load(file)
    except ConfigError as error:
        fail(render(error), EXIT_CONFIG)
    directory = config.server.state_directory
    if directory is None:
        fail(f"{file} names no server.state_directory, so no hours are kept. Write one, and restart.", EXIT_CONFIG)
    summaries = [_read(directory / NAME, *span) for span in ((begin, end), (begin - (end - begin), begin))]
    if is_json:
        say(json.dumps(_values(summaries[0]), indent=1))
        return
    sheet = sheet_of(summaries[0], summaries[1], config.server.host, now)
    click.echo((page if form == "html" else text).render(sheet), nl=False)
    sys.stdout.flush()


def local_zone() -> tzinfo:
    """Return the zone of this machine's clock: that of TZ, else of the system, else UTC."""
    try:
        if os.environ.get("TZ"):
            return ZoneInfo(os.environ["TZ"].removeprefix(":"))
        with LOCAL_ZONE.open("rb") as file:
            return ZoneInfo.from_file(file)
    except (OSError, ValueError, KeyError):  # ZoneInfoNotFoundError is a KeyError.
        return UTC


def whole_days(days: int, now: datetime) -> tuple[datetime, datetime]:
    """Return the span of so many days up to the last midnight."""
    end = now.replace(hour=0, minute=0, second=0, microsecond=0)
    # A date and not a length of time: a day may have 23 hours, or 25.
    return (end - timedelta(days=days)).replace(hour=0), end


def _since(since: str, now: datetime) -> tuple[datetime, datetime]:
    seconds = parse_seconds(since)
    if not seconds or seconds > LONGEST_SECONDS:
        raise click.UsageError(f"--since {since} is no length of time up to a year, such as 12h, 7d or 4w.")
    begin = (now - timedelta(seconds=seconds)).replace(minute=0, second=0, microsecond=0)
    return begin, now


def _read(path: Path, since: datetime, until: datetime) -> Summary:
    try:
        rows = read_hours(path, since.timestamp(), until.timestamp())
    except FileNotFoundError:
        fail(f"There is no {path} yet: the service writes it some minutes after its start.", EXIT_FAILED)
    except UnreadableHours as fault:
        fail(f"{path} {fault}. Move it away, and the service begins another one.", EXIT_FAILED)
    except OSError as error:
        fail(f"{path} cannot be read ({reason_of(error)}). Use sudo, or become the service's user.", EXIT_FAILED)
    return summarise(rows, since, until)


def _values(found: Any) -> Any:
    """Return figures as JSON has them: moments in ISO 8601, and what is endless as None."""
    if is_dataclass(found):
        return {field.name: _values(getattr(found, field.name)) for field in fields(found)}
    if isinstance(found, Mapping):
        return {str(name): _values(value) for name, value in found.items()}
    if isinstance(found, tuple):
        return [_values(one) for one in found]
    if isinstance(found, datetime):
        return found.isoformat()
    return None if found == float("inf") else found
