"""The verb `backup`: all that is needed to build the service again elsewhere, in one file."""

import time
from pathlib import Path

import click

from dohproxy.cli.terminal import EXIT_CONFIG, VERSION, fail, installed_config_option, say
from dohproxy.config import ConfigError, load, render
from dohproxy.tools.backup import telling
from dohproxy.tools.backup.contents import LEFT_OUT_BY_CHOICE, Group, contents
from dohproxy.tools.backup.making import CannotBackUp, Wanted, make_backup


@click.command("backup")
@click.argument("target", metavar="FILE", type=click.Path(path_type=Path, dir_okay=False))
@installed_config_option
@click.option("--with-keys", is_flag=True, help="Also the private keys and passwords. Whoever has FILE is the service.")
@click.option("--with-cache", is_flag=True, help="Also the cache's file, which holds the names that were asked for.")
@click.option(
    "--without",
    multiple=True,
    type=click.Choice([group.value for group in LEFT_OUT_BY_CHOICE]),
    help="Leave these out; repeatable.",
)
def backup_verb(target: Path, file: Path, with_keys: bool, with_cache: bool, without: tuple[str, ...]) -> None:
    """Write the configuration, all that it names and what the service has kept into FILE, for its owner alone.

    The service may run, and need not. `dohproxy restore FILE --check` proves what was written. docs/nodes.md has more.
    """
    try:
        config = load(file)
    except ConfigError as error:
        fail(render(error), EXIT_CONFIG)
    wanted = Wanted(with_keys, with_cache, [Group(one) for one in without])
    try:
        manifest = make_backup(target, file, config, wanted, VERSION, time.time())
    except CannotBackUp as why:
        fail(str(why))
    items = {item.key: item for item in contents(file.absolute(), config)}
    say(f"{target}: {telling.held(manifest)}; only its owner can read it.")
    if telling.has_secrets(manifest):
        say("Private keys are in it: whoever has it can pass for the service. Encrypt it before it leaves the machine.")
    say("\n".join(["In it:", *telling.parts(manifest, items), "Not in it:", *telling.lacks(manifest, items)]))
