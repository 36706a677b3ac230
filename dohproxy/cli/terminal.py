"""What the verbs share: exit codes, options, and how something is said at a terminal."""

import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Final, NoReturn

import click

import dohproxy


def _is_compiled() -> bool:
    # Without importing it, which most verbs do not need.
    found = find_spec("dohproxy.pipeline")
    return found is not None and not str(found.origin).endswith(".py")


VERSION: Final = dohproxy.__version__ + (" (compiled)" if _is_compiled() else "")

EXIT_FAILED: Final = 1
"""What was asked for was refused, or is not well."""
EXIT_USAGE: Final = 2
"""The command line cannot be understood; it is click's too."""
EXIT_UNREACHABLE: Final = 3
"""No service answers."""
EXIT_CONFIG: Final = 78
"""EX_CONFIG of sysexits.h: nothing changes until somebody has changed the configuration."""

config_option = click.option(
    "--config",
    "file",
    type=click.Path(path_type=Path, dir_okay=False),
    help="The configuration, a TOML file. Without it: this machine's resolvers, on loopback, to try things out.",
)
required_config_option = click.option(
    "--config", "file", required=True, type=click.Path(path_type=Path, dir_okay=False), help="The configuration file."
)

INSTALLED_CONFIG: Final = Path("/etc/dohproxy/dohproxy.toml")
"""Where the systemd unit has it."""
installed_config_option = click.option(
    "--config",
    "file",
    type=click.Path(path_type=Path, dir_okay=False),
    default=INSTALLED_CONFIG,
    help=f"The configuration file; {INSTALLED_CONFIG} by default.",
)


def say(text: str) -> None:
    """Write to standard output at once: a service manager may be reading."""
    click.echo(text)
    sys.stdout.flush()


def fail(text: str, code: int = EXIT_FAILED) -> NoReturn:
    """Write to standard error and end with this exit code."""
    click.echo(text, err=True)
    sys.exit(code)
