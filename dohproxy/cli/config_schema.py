"""The verb `config schema`: the JSON schema of the configuration. It needs no running service."""

import json

import click

from dohproxy.cli.terminal import say
from dohproxy.config.json_schema import json_schema


@click.command("schema")
def config_schema_verb() -> None:
    """Print the JSON schema of the configuration, for editors and other tools."""
    say(json.dumps(json_schema(), indent=1))
