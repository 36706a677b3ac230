"""The verb `profile`: a file for one kind of client, with which it asks the configured service."""

import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NoReturn

import click

from dohproxy.cli.terminal import EXIT_CONFIG, fail, installed_config_option, say
from dohproxy.config import Config, ConfigError, load, render
from dohproxy.doh.path_token import digest_in, member_path
from dohproxy.doh.stamp import BadStamp
from dohproxy.jobs.atomic_file import AtomicFile, reason_of
from dohproxy.jobs.member_file import MemberRefusal, read_members
from dohproxy.member_token import TOKEN_CHARACTERS
from dohproxy.profiles.kinds import KINDS, Kind, find_kind, missing, steps_of
from dohproxy.profiles.offer import Wishes
from dohproxy.tls.certificate_pair import PairRefused, read_pair
from dohproxy.tools.offers import OfferSheet, offer_of
from dohproxy.tools.signing import CannotSign, signed
from dohproxy.tools.stamps import public_url

FOR_EVERYBODY: Final = 0o644
SECRET: Final = 0o600
"""Of a file with a member's URL: whoever has that is the member."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What the command line says beside the kind."""

    file: Path
    url: str | None
    output: Path | None
    addresses: tuple[str, ...]
    strict: bool
    except_wifi: tuple[str, ...]
    pinned: bool
    unsigned: bool


@click.command("profile")
@click.argument("name", metavar="[KIND]", required=False, type=click.Choice([kind.name for kind in KINDS]))
@installed_config_option
@click.option("--member", "url", metavar="URL", help="For the member with this URL; - reads it from standard input.")
@click.option("--output", type=click.Path(path_type=Path), help="Write it into this file, or directory.")
@click.option("--address", "addresses", multiple=True, metavar="IP[:PORT]", help="Where clients connect; repeatable.")
@click.option("--strict", is_flag=True, help="Ask nobody else while the service cannot be reached.")
@click.option("--except-wifi", multiple=True, metavar="SSID", help="Not on this wireless network; repeatable.")
@click.option("--hash", "pinned", is_flag=True, help="Accept the certificate of today's authority, or key, alone.")
@click.option("--unsigned", is_flag=True, help="Leave out the signature with the service's certificate.")
def profile_verb(name: str | None, **given: Any) -> None:
    """Print what a client needs to ask this service: a profile for a device, a policy, a configuration.

    Without KIND it lists the kinds. What to know of the file, and where it goes, is told on standard error. No service
    has to run.
    """
    kind = None if name is None else find_kind(name)
    if kind is None:
        say("\n".join(f"{one.name:<18}{one.client}" for one in KINDS))
        return
    asked = Asked(**given)
    _refuse_unheeded(kind, asked)
    try:
        config = load(asked.file)
        token = "" if asked.url is None else _token_of(config, asked.url)
        sheet = offer_of(config, asked.addresses, token, _chain(config) if asked.pinned else b"")
    except ConfigError as error:
        fail(render(error), EXIT_CONFIG)
    except (BadStamp, PairRefused) as error:
        fail(f"{error}")
    lack = missing(kind, sheet.offer)
    if lack:
        fail(sheet.lacks_tls or lack if kind.wants_tls else lack)
    content, remarks = _made(kind, sheet, asked, config)
    _write(content, kind, asked.output, SECRET if token else FOR_EVERYBODY)
    if token:
        remarks = (*remarks, "It holds the URL of one member, which is a secret: give it to nobody else.")
    for remark in remarks:
        click.echo(f"remark: {remark}", err=True)
    click.echo(f"next: {steps_of(kind, sheet.offer)}", err=True)


def _refuse_unheeded(kind: Kind, asked: Asked) -> None:
    """End with 2 if this client cannot be told what is wished."""
    if asked.except_wifi and not kind.heeds_wifi:
        _refuse(kind, "--except-wifi", [one.name for one in KINDS if one.heeds_wifi])
    if asked.pinned and not kind.heeds_hash:
        _refuse(kind, "--hash", [one.name for one in KINDS if one.heeds_hash])


def _refuse(kind: Kind, option: str, others: Sequence[str]) -> NoReturn:
    raise click.UsageError(f"{option} is for {' and '.join(others)}: {kind.name} cannot be told so.")


def _chain(config: Config) -> bytes:
    """Return the certificates that clients are shown, PEM. Raises PairRefused."""
    if config.tls is None:
        fail("Without [tls] the certificate that clients see is not known here; leave out --hash.")
    return read_pair(config.tls).certificate


def _token_of(config: Config, url: str) -> str:
    """Return the token of a member's URL, or of the line that stands for `-`; end with 1 if nobody has it."""
    # Whoever has it in a file, or types it, need not show it to a list of processes.
    everybodys, text = public_url(config), (sys.stdin.readline() if url == "-" else url).strip()
    token = text.rpartition("/")[2]
    path = member_path(config.server.path, token)
    digest = digest_in(path, config.server.path)
    if digest is None or text not in (token, member_path(everybodys, token)):
        fail(
            f"{'This' if '/' in text else text} is no URL of a member. Give the one that `member add` has shown, which"
            f" begins with {member_path(everybodys, '')} and has {TOKEN_CHARACTERS} characters more. It is kept by"
            " nobody: whoever has lost it is revoked, and added again."
        )
    if config.clients.member_file is None:
        fail("No file for members is configured: write member_file into [clients].", EXIT_CONFIG)
    members = read_members(config.clients.member_file)
    if isinstance(members, MemberRefusal):
        fail(members.sentence)
    if digest not in members.valid(time.time()):
        fail("No member has this URL, or not any more: `dohproxy member list` tells who has one.")
    return token


def _made(kind: Kind, sheet: OfferSheet, asked: Asked, config: Config) -> tuple[bytes, tuple[str, ...]]:
    """Return a profile, signed if that can be, and what is to be known of it."""
    content = kind.make(sheet.offer, Wishes(asked.strict, asked.except_wifi))
    if not kind.is_signable or asked.unsigned:
        return content, sheet.remarks
    try:
        if config.tls is None:
            raise CannotSign("Without [tls] the service's certificate is not known here.")
        return signed(content, read_pair(config.tls)), sheet.remarks
    except (CannotSign, PairRefused) as why:
        remark = f"The profile is not signed, which devices say and accept all the same. {str(why).rstrip('.')}."
        return content, (*sheet.remarks, remark)


def _write(content: bytes, kind: Kind, output: Path | None, mode: int) -> None:
    """Write a profile to standard output, or in a file's place. Ends with 1 if that is not possible."""
    if output is None:
        if sys.stdout.isatty() and b"\0" in content:
            fail("A signed profile is no text: write it into a file with --output, or leave it --unsigned.")
        click.echo(content, nl=False)
        return
    place = output / kind.file if output.is_dir() else output
    file = AtomicFile(place, mode)
    try:
        file.open()
        file.write(content)
        file.commit()
    except OSError as error:
        fail(f"{place} cannot be written ({reason_of(error)}).")
    finally:
        file.discard()
    click.echo(f"{place} is written.", err=True)
