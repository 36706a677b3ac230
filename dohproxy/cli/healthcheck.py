"""The verb `healthcheck`: whether the running service answers."""

from pathlib import Path

import click

from dohproxy.cli.terminal import fail, required_config_option, say
from dohproxy.config import ConfigError, load, render
from dohproxy.tools.healthcheck import Unhealthy, check_health


@click.command("healthcheck")
@required_config_option
def healthcheck_verb(file: Path) -> None:
    """Ask the running service one question that it answers by itself; exit 0 if it does."""
    try:
        told = check_health(load(file))
    except ConfigError as error:
        fail(render(error))
    except Unhealthy as error:
        fail(f"unhealthy: {error}")
    say(f"healthy: {told}" if told else "healthy")
