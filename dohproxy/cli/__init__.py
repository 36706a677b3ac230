"""The command line: one file a verb, and the verbs that the table of commands makes.

Exit codes: 0 all is well, or done; 1 it is not, or was refused; 2 the command line cannot be understood; 3 the service
cannot be reached; 78 the configuration cannot be used.
"""

import click

from dohproxy.cli.check import check_verb
from dohproxy.cli.completion import completion_verb
from dohproxy.cli.config_schema import config_schema_verb
from dohproxy.cli.ctl import add_verbs, group_of
from dohproxy.cli.healthcheck import healthcheck_verb
from dohproxy.cli.serve import serve_verb
from dohproxy.cli.stamp import stamp_verb
from dohproxy.cli.terminal import VERSION
from dohproxy.cli.upstream import upstream_verb

__all__ = ["main"]


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(VERSION, prog_name="dohproxy")
def main() -> None:
    """A hardened DNS-over-HTTPS proxy in front of somebody else's resolvers, or your own."""


for _verb in (serve_verb, check_verb, healthcheck_verb, stamp_verb, upstream_verb, completion_verb):
    main.add_command(_verb)
add_verbs(main)
group_of(main, "config").add_command(config_schema_verb)
