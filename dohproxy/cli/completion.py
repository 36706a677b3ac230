"""The verb `completion`: what a shell reads to complete verbs and options. It is made from the verbs themselves."""

from typing import Final

import click
from click.shell_completion import get_completion_class

from dohproxy.cli.terminal import fail, say

SHELLS: Final = ("bash", "zsh", "fish")
VARIABLE: Final = "_DOHPROXY_COMPLETE"
"""Where the program is told by the shell that it is to complete, and for which."""


@click.command("completion")
@click.argument("shell", type=click.Choice(SHELLS))
@click.pass_context
def completion_verb(context: click.Context, shell: str) -> None:
    """Print what SHELL reads to complete the verbs of this program.

    For bash: dohproxy completion bash > /etc/bash_completion.d/dohproxy
    """
    made = get_completion_class(shell)
    if made is None:
        fail(f"This version of click completes nothing for {shell}.")
    say(made(context.find_root().command, {}, "dohproxy", VARIABLE).source())
