"""The command line: one file a verb, and the verbs that the table of commands makes.

Exit codes: 0 all is well, or done; 1 it is not, or was refused; 2 the command line cannot be understood; 3 the service
cannot be reached; 78 the configuration cannot be used.

A verb is imported when it is typed: who serves waits for no other, and a health check runs twice a minute.
"""

import importlib
from typing import Final

import click

from dohproxy.cli.terminal import VERSION

__all__ = ["main"]

ALONE: Final = frozenset({
    "serve", "check", "doctor", "report", "healthcheck", "stamp", "profile", "listing", "records", "completion",
    "backup", "restore",
})  # fmt: skip
"""Verbs to which no command adds another word; the file of each is named after it."""


class Verbs(click.Group):
    """The verbs of the program."""

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return the verb of this name, None if there is none."""
        if cmd_name not in self.commands:
            if cmd_name in ALONE:
                self.add_command(_verb(cmd_name))
            else:
                self._add_commands()
        return super().get_command(ctx, cmd_name)

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of all verbs, sorted."""
        self._add_commands()
        return sorted({*super().list_commands(ctx), *ALONE})

    def _add_commands(self) -> None:
        if "upstream" in self.commands:
            return
        from dohproxy.cli.config_schema import config_schema_verb
        from dohproxy.cli.ctl import add_verbs, group_of

        self.add_command(_verb("upstream"))
        add_verbs(self)
        group_of(self, "config").add_command(config_schema_verb)


def _verb(name: str) -> click.Command:
    verb: click.Command = getattr(importlib.import_module(f"dohproxy.cli.{name}"), f"{name}_verb")
    return verb


@click.group(cls=Verbs, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(VERSION, prog_name="dohproxy")
def main() -> None:
    """A hardened DNS-over-HTTPS proxy in front of somebody else's resolvers, or your own."""
