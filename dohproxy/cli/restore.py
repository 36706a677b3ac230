"""The verb `restore`: a backup is proved, and then put in its place."""

import socket
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Final

import click

from dohproxy.cli.check import examine
from dohproxy.cli.terminal import EXIT_CONFIG, EXIT_FAILED, fail, say
from dohproxy.config import Config, ConfigError, Problem, render
from dohproxy.jobs.atomic_file import reason_of
from dohproxy.tls.self_check import LimitsNotInForce
from dohproxy.tools.backup import telling
from dohproxy.tools.backup.manifest import BadBackup, Manifest
from dohproxy.tools.backup.opening import opened
from dohproxy.tools.backup.placing import CannotRestore, Placing
from dohproxy.tools.backup.proof import Proven, prove, rooted, stage
from dohproxy.tools.backup.relocation import CannotRelocate

CONNECT_SECONDS: Final = 1.0


@click.command("restore")
@click.argument("path", metavar="FILE", type=click.Path(path_type=Path, dir_okay=False))
@click.option(
    "--into",
    "root",
    metavar="DIRECTORY",
    type=click.Path(path_type=Path, file_okay=False),
    help="Below this directory, and the configuration names the files there. Without it: where they were.",
)
@click.option("--check", "is_check", is_flag=True, help="Prove it, tell what would be restored, and change nothing.")
@click.option("--overwrite", is_flag=True, help="Replace what lies there; it is kept beside, as NAME.before-TIME.")
def restore_verb(path: Path, root: Path | None, is_check: bool, overwrite: bool) -> None:
    """Prove a backup, then put all of it in its place, or nothing.

    Every byte is compared with its digest, and the configuration is looked at as `dohproxy check` does, before anything
    is written. Restore only what you have made: a configuration decides what the service does.
    """
    root = None if root is None else root.absolute()
    try:
        proven = prove(path)
        say(f"{path}: {telling.held(proven.manifest)}.")
        is_well = _look(path, proven)
        if not is_check:
            _place(path, proven, root, overwrite)
    except (BadBackup, CannotRelocate, OSError, ConfigError, CannotRestore) as why:
        fail(_sentence(path, why), EXIT_CONFIG if isinstance(why, ConfigError) else EXIT_FAILED)
    if not is_well:
        raise SystemExit(EXIT_FAILED)


def _sentence(path: Path, why: Exception) -> str:
    match why:
        case BadBackup():
            return f"{path} {why}. Nothing has changed."
        case CannotRelocate():
            return f"The configuration cannot be written for another place: spell {why} as plain text in it."
        case ConfigError():
            return f"{path} holds a configuration that this program cannot use. Nothing has changed.\n{render(why)}"
        case OSError():
            return f"{path} cannot be restored ({reason_of(why)}). Nothing has changed."
        case _:
            return f"{why} Nothing has changed."


def _look(path: Path, proven: Proven) -> bool:
    """Unpack into a private directory, and tell what the service would find; False if something is not well."""
    manifest = proven.manifest
    with tempfile.TemporaryDirectory(prefix="dohproxy-restore-") as directory:
        # Some systems have their directory for such files behind a link.
        config = stage(path, proven, Path(directory).resolve())
        problems = [
            Problem(one.path, one.sentence.replace(f"{Path(directory).resolve()}/", "/"))
            for one in problems_of(config, manifest)
        ]
        opening = list(opened(config, time.time()))
    say("\n".join(["In it:", *telling.parts(manifest, proven.items), *(f"  {sentence}" for _, sentence in opening)]))
    say("\n".join(["Not in it:", *telling.lacks(manifest, proven.items)]))
    if problems:
        say(
            "\n".join(["What the service would say of it here:", *(f"  {one.path} {one.sentence}" for one in problems)])
        )
    return not problems


def problems_of(config: Config, manifest: Manifest) -> Iterator[Problem]:
    """Yield what `dohproxy check` says of a restored configuration, but for what is known not to be in the backup."""
    left_out = {one.key for one in manifest.left_out}
    if "tls.key" in left_out:
        config = replace(config, tls=None)
    try:
        found = examine(config, is_strict=False).problems
    except LimitsNotInForce as error:
        yield Problem("tls", str(error))
        return
    except ConfigError as error:
        found = error.problems
    yield from (one for one in found if one.path not in left_out)


def _place(path: Path, proven: Proven, root: Path | None, overwrite: bool) -> None:
    if root is None and runs(proven.config):
        raise CannotRestore("The service runs here, and would write over what is restored: stop it first.")
    placing = Placing(path, proven, root, time.time())
    taken = placing.taken()
    if taken and not overwrite:
        raise CannotRestore(
            f"These are there already: {', '.join(map(str, taken))}. --overwrite replaces them, and keeps them beside."
        )
    placed = placing.place()
    file = rooted(root, Path(proven.manifest.configuration))
    say(telling.age(proven.manifest))
    say(f"Restored: {len(placed.files)} files. Start it: dohproxy serve --config {file}")
    if placed.kept:
        say(f"What was there before: {telling.before_names(placed.kept)}")
    if placed.unknown_owners:
        say(f"Not known here, so root has their files: {', '.join(placed.unknown_owners)}. Make them, and chown.")


def runs(config: Config) -> bool:
    """Tell whether a service answers where commands are given to this one."""
    if config.admin is None:
        return False
    with closing(socket.socket(socket.AF_UNIX)) as connection:
        connection.settimeout(CONNECT_SECONDS)
        try:
            connection.connect(str(config.admin.socket))
        except OSError:
            return False
    return True
