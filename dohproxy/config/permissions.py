"""Why a file may not be read or a port not be opened, and what to do about it: user, directory, group, capability.

The answer follows from owners and modes alone. An access control list or a security module may decide otherwise, so
what is found here explains a refusal, or warns of one; it never is the refusal.
"""

import grp
import os
import pwd
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from dohproxy.config.problems import Problem
from dohproxy.config.schema import Config

SERVICE_USER: Final = "dohproxy"
"""Of the shipped systemd unit, and the name of its group."""
LETS_ENCRYPT: Final = Path("/etc/letsencrypt")
HOOK: Final = "conf/certbot-deploy-hook"
CAP_NET_BIND_SERVICE: Final = 10
"""Its bit (linux/capability.h)."""
LOW_PORTS: Final = (
    "ports below {first} need CAP_NET_BIND_SERVICE, which conf/dohproxy.service gives (AmbientCapabilities=) and a"
    " container gets by --cap-add; or have conf/dohproxy.socket open it, or choose a port from {first} on"
)


@dataclass(frozen=True, slots=True)
class Reader:
    """Who reads."""

    name: str
    uid: int
    group: str
    """Its own, by name."""
    groups: frozenset[int]

    def may(self, found: os.stat_result, owner: int, group: int, others: int) -> bool:
        """Tell whether the mode of a file gives this reader the right of which these are the three bits."""
        if self.uid == 0:
            return True
        if found.st_uid == self.uid:
            return bool(found.st_mode & owner)
        return bool(found.st_mode & (group if found.st_gid in self.groups else others))


def this_user() -> Reader:
    """Return who runs this process."""
    uid = os.geteuid()
    return Reader(user_name(uid), uid, group_name(os.getegid()), frozenset((os.getegid(), *os.getgroups())))


def service_user() -> Reader | None:
    """Return as whom the shipped unit serves, None where there is no such user."""
    try:
        found = pwd.getpwnam(SERVICE_USER)
    except KeyError:
        return None
    group = group_name(found.pw_gid)
    return Reader(SERVICE_USER, found.pw_uid, group, frozenset(os.getgrouplist(SERVICE_USER, found.pw_gid)))


def obstacle(path: Path, reader: Reader) -> Path | None:
    """Return what keeps a reader from a file: a directory on the way, behind symbolic links too, or the file itself.

    None if nothing does, or if that cannot be seen from here.
    """
    try:
        for directory in _on_the_way(path):
            if not reader.may(directory.stat(), stat.S_IXUSR, stat.S_IXGRP, stat.S_IXOTH):
                return directory
        return None if reader.may(path.stat(), stat.S_IRUSR, stat.S_IRGRP, stat.S_IROTH) else path
    except OSError:
        return None


def _on_the_way(path: Path) -> Iterator[Path]:
    """Yield the directories that are passed: those of the name as written, then those of where a link leads."""
    yield from reversed(path.absolute().parents)
    resolved = path.resolve()
    if resolved != path:
        yield from reversed(resolved.parents)


def refusal(path: Path, reader: Reader) -> str:
    """Return who may not read a file, because of what, and the remedy; continues "names FILE, which "."""
    found = obstacle(path, reader)
    because = "" if found is None else f": {_described(found)}"
    return f"may not be read by the user {reader.name}{because}. {remedy(path, reader.group)}"


def remedy(path: Path, group: str) -> str:
    """Return what lets a group read a file, without letting everybody."""
    if path.is_relative_to(LETS_ENCRYPT):
        return (
            f"What certbot keeps is root's alone: have {HOOK} install a copy of each renewal, as its first lines say,"
            " and name that copy"
        )
    return f"Let the group {group} read it: chgrp {group} {path} && chmod g+r {path}"


def port_warnings(config: Config) -> tuple[Problem, ...]:
    """Return which listeners this process could not open; the service's own user may, or have them opened for it."""
    if may_open_low_ports():
        return ()
    first = first_free_port()
    return tuple(
        Problem(
            key,
            f"is {address}, which this user may not open: {LOW_PORTS.format(first=first)}.",
        )
        for key, address in config.public_listen
        if address.kind == "tcp" and 0 < address.port < first
    )


def may_open_low_ports(status: Path = Path("/proc/self/status")) -> bool:
    """Tell whether this process has CAP_NET_BIND_SERVICE; true where that cannot be known."""
    try:
        [text] = [
            line.partition(":")[2]
            for line in status.read_text(encoding="utf-8").splitlines()
            if line.startswith("CapEff:")
        ]
    except (OSError, ValueError):
        return True
    return bool(int(text, 16) >> CAP_NET_BIND_SERVICE & 1)


def first_free_port(setting: Path = Path("/proc/sys/net/ipv4/ip_unprivileged_port_start")) -> int:
    """Return from which port on nobody needs a capability."""
    try:
        return int(setting.read_text(encoding="ascii"))
    except (OSError, ValueError):  # `ProcSubset=pid` in the systemd unit hides it.
        return 1_024


def _described(path: Path) -> str:
    found = path.stat()
    return f"{path} is {stat.filemode(found.st_mode)} {user_name(found.st_uid)} {group_name(found.st_gid)}"


def user_name(uid: int) -> str:
    """Return who a user is, by number where there is no name."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def group_name(gid: int) -> str:
    """Return what a group is called, by number where there is no name."""
    try:
        return grp.getgrgid(gid).gr_name
    except KeyError:
        return str(gid)
