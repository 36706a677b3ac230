"""Who may read and write the files of the service: what the modes of the files say, whoever looks."""

import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Final

from dohproxy.config import Config
from dohproxy.config.permissions import Reader
from dohproxy.jobs.state_file import NAME as STATE_NAME
from dohproxy.jobs.state_key import NAME as KEY_NAME
from dohproxy.tools.doctor.findings import Finding, Severity

SUBJECT: Final = "permissions"
ELSEWHERE: Final = (
    "name a file in /var/lib/dohproxy in the configuration, or for a log one in /var/log/dohproxy with"
    " LogsDirectory=dohproxy in the unit"
)
"""What to do where the service may not write."""
_OTHERS: Final = stat.S_IRWXO
_OTHERS_WRITE: Final = stat.S_IWOTH
_GROUP_AND_OTHERS_WRITE: Final = stat.S_IWGRP | stat.S_IWOTH


class Use(Enum):
    """What a file is to the service; the value says which bits of its mode are too many, and why."""

    CONFIGURATION = _OTHERS_WRITE, "every user of this machine may write what the service does"
    CONFIGURATION_WITH_SECRET = (
        _OTHERS_WRITE | stat.S_IROTH,
        "everybody here may read the URL of the webhook",
    )
    CERTIFICATE_KEY = _GROUP_AND_OTHERS_WRITE | _OTHERS, "others than its owner may change it, or everybody read it"
    STATE_DIRECTORY = _OTHERS | stat.S_IWGRP, "others may see into it, or put files there"
    SECRET = stat.S_IRWXG | stat.S_IRWXO, "the service takes no file that others may read for its own"
    MEMBERS = _GROUP_AND_OTHERS_WRITE, "others may make themselves members"
    ADMIN_SOCKET = _OTHERS, "every user of this machine may give the service commands"


@dataclass(frozen=True, slots=True)
class FileSeen:
    """A file and its mode."""

    path: Path
    use: Use
    mode: int


def see(config: Config, file: Path) -> list[FileSeen]:
    """Look at the modes of those files that are there and that this user can see; `file` is the configuration."""
    found = []
    for path, use in _files(config, file):
        try:
            found.append(FileSeen(path, use, stat.S_IMODE(path.stat().st_mode)))
        except OSError:
            continue  # Whether it has to be there, the look at the configuration says.
    return found


def _files(config: Config, file: Path) -> Iterator[tuple[Path, Use]]:
    yield file, Use.CONFIGURATION if config.alerts.webhook is None else Use.CONFIGURATION_WITH_SECRET
    if config.tls is not None:
        yield config.tls.key, Use.CERTIFICATE_KEY
    directory = config.server.state_directory
    if directory is not None:
        yield directory, Use.STATE_DIRECTORY
        yield from ((directory / name, Use.SECRET) for name in (KEY_NAME, STATE_NAME))
    if config.clients.member_file is not None:
        yield config.clients.member_file, Use.MEMBERS
    if config.admin is not None and not _is_kept_by(config.admin.socket.parent):
        yield config.admin.socket, Use.ADMIN_SOCKET


def _is_kept_by(directory: Path) -> bool:
    """Tell whether a directory keeps all users but its own and its group's from what is in it."""
    try:
        return not directory.stat().st_mode & stat.S_IXOTH
    except OSError:
        return True


@dataclass(frozen=True, slots=True)
class Unwritable:
    """What the service writes to and its user may not: a directory, or a file that is there already."""

    path: Path
    is_own: bool
    """Whether it is there for the service alone, so that it may be given to its user."""


def see_unwritable(config: Config, reader: Reader) -> list[Unwritable]:
    """Return where the service writes and this user may not."""
    found: dict[Path, Unwritable] = {}
    for one in _written(config):
        write, enter = (stat.S_IWUSR, stat.S_IWGRP, stat.S_IWOTH), (stat.S_IXUSR, stat.S_IXGRP, stat.S_IXOTH)
        try:
            status = one.path.stat()
        except OSError:
            continue
        may_enter = not stat.S_ISDIR(status.st_mode) or reader.may(status, *enter)
        if not (reader.may(status, *write) and may_enter):
            found.setdefault(one.path, one)
    return list(found.values())


def _written(config: Config) -> Iterator[Unwritable]:
    if config.server.state_directory is not None:
        yield Unwritable(config.server.state_directory, is_own=True)
    if config.cache.snapshot_file is not None:
        yield Unwritable(config.cache.snapshot_file.parent, is_own=False)
    # Members are written when a command makes one, and no command comes without a socket.
    if config.clients.member_file is not None and config.admin is not None:
        yield Unwritable(config.clients.member_file.parent, is_own=False)
    log = config.bans.log_file
    if log is not None:  # It is only ever appended to: where it is there, its directory does not matter.
        yield Unwritable(log if log.is_file() else log.parent, is_own=False)


def judge_unwritable(found: Iterable[Unwritable], reader: Reader) -> Iterator[Finding]:
    """Say where the service's user may not write.

    Nothing but the service's own directory is to be given to its user. Others, such as /etc/dohproxy and /var/log, hold
    what root acts upon: whoever owned them could put there what he likes.
    """
    for one in found:
        what = f"the user {reader.name} may not write to {one.path}, and what is to be kept there is lost"
        yield Finding(
            SUBJECT, Severity.FAULT, what, f"chown {reader.name}:{reader.group} {one.path}" if one.is_own else ELSEWHERE
        )


def judge(files: Iterable[FileSeen]) -> Iterator[Finding]:
    """Say whose mode lets too many in."""
    count = bad = 0
    for seen in files:
        count += 1
        too_many, why = seen.use.value
        if not seen.mode & too_many:
            continue
        bad += 1
        wanted = seen.mode & ~too_many
        what = f"{seen.path} has the mode {seen.mode:04o}: {why}"
        yield Finding(SUBJECT, Severity.WARNING, what, f"chmod {wanted:04o} {seen.path}")
    if count and not bad:
        yield Finding(SUBJECT, Severity.OK, f"the modes of {count} file(s) let in nobody who has no business there")
