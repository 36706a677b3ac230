"""The part of the configuration that touches the disk: the file itself, and the files it names."""

import hashlib
import os
import re
import stat
import tomllib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Final, Literal

from dohproxy.config.addresses import parse_socket
from dohproxy.config.permissions import obstacle, refusal, service_user, this_user
from dohproxy.config.problems import ConfigError, Problem
from dohproxy.config.reader import read
from dohproxy.config.schema import Config, NodesConfig
from dohproxy.config.schema.admin import ADMIN_SOCKET
from dohproxy.regular_file import NotRegular, read_regular
from dohproxy.x509 import UnreadableCertificate, read_pem

MAX_FILE_BYTES: Final = 1_048_576
"""Longest file read: the annotated reference is under 56 KiB, so this is a wrong file, not a long one."""

LEAST_SECRET_BYTES: Final = 32
"""Of the secret of all nodes: as long as the keys that are made of it."""

_HASH_BYTES: Final = 6
"""Of a file's SHA-256: 48 bits are an exact number in every program that reads a metric, and no two files of one
operator have the same."""
_DER_MARK: Final = b"\x30\x82"
"""How every certificate and key of more than 255 bytes begins in DER."""
_PEM_MARKS: Final = {"certificate": (b"-----BEGIN CERTIFICATE-----",), "key": (b"PRIVATE KEY-----",)}
_RUNTIME: Final = (Path("/run"), Path("/var/run"))
_JSON_LINES: Final = re.compile(r"""^\s*(?:log\.)?format\s*=\s*["']json["']""", re.MULTILINE)
_ADMIN_SECTION: Final = re.compile(
    r"""^\s*\[admin\][^\[]*?(?:^\s*socket\s*=\s*["']([^"'\n]+)["']|(?=^\s*\[)|\Z)""", re.MULTILINE
)
"""The section of a file that is no TOML, and its socket: the operator is in the middle of writing it."""
_LIST_MARK: Final = b"===BEGIN ICANN DOMAINS==="


def load(path: Path) -> Config:
    """Read the configuration file at `path`; relative names in it start from its directory.

    Raises `ConfigError` with every problem found. The files it names are not opened: see `check_files`.
    """
    return parse(path, load_content(path))


def load_content(path: Path) -> bytes:
    """Read what is in the configuration file at `path`, whatever it is. Raises `ConfigError`."""
    try:
        content = _read_bytes(path)
    except PermissionError:
        raise _refuse(path, f"{refusal(path, this_user())}.") from None
    except (OSError, ValueError) as error:
        raise _refuse(path, f"{_explain(error)}. Name a file: --config conf/dohproxy.toml") from None
    if len(content) > MAX_FILE_BYTES:
        raise _refuse(path, f"is longer than {MAX_FILE_BYTES} bytes, so hardly a configuration; name another.")
    return content


def parse(path: Path, content: bytes) -> Config:
    """Read the configuration that the file at `path` holds or held. Raises `ConfigError` as `load` does."""
    try:
        text = content.decode()
    except UnicodeDecodeError as error:
        raise _refuse(path, f"is not UTF-8 text (byte {error.start}); save it as UTF-8.") from None
    file_hash = int.from_bytes(hashlib.sha256(content).digest()[:_HASH_BYTES])
    return replace(read(text, directory=path.absolute().parent), file_hash=file_hash)


def log_format_of(path: Path) -> Literal["text", "json"]:
    """Return how the lines of the log are to be written, as far as a file says so that may be wrong in all else."""
    try:
        text = _read_bytes(path)[:MAX_FILE_BYTES].decode(errors="replace")
    except (OSError, ValueError):
        return "text"
    try:
        section = tomllib.loads(text).get("log")
        found = section.get("format") if isinstance(section, dict) else None
    except tomllib.TOMLDecodeError:
        # No other section has a key of this name.
        found = "json" if _JSON_LINES.search(text) else None
    return "json" if found == "json" else "text"


def find_admin_socket(path: Path) -> Path | None:
    """Return the admin socket that the configuration file at `path` names, None if it has no [admin] section.

    Nothing else of the file is looked at: who gives a command in the middle of an incident may have a file that is half
    written. Raises `ConfigError` if this much cannot be read.
    """
    try:
        text = _read_bytes(path).decode().removeprefix("\ufeff")
    except (OSError, ValueError):
        # `load` has the words for that.
        return _admin_socket(load(path))
    try:
        admin = tomllib.loads(text).get("admin")
    except (tomllib.TOMLDecodeError, RecursionError):
        found = _ADMIN_SECTION.search(text)
        if found is None:
            return _admin_socket(load(path))
        admin = {} if found[1] is None else {"socket": found[1]}
    if admin is None:
        return None
    try:
        return parse_socket(admin["socket"], path.absolute().parent) if "socket" in admin else ADMIN_SOCKET
    except (ValueError, TypeError, AttributeError):
        return _admin_socket(load(path))


def _admin_socket(config: Config) -> Path | None:
    return None if config.admin is None else config.admin.socket


def check_files(config: Config) -> tuple[Problem, ...]:
    """Return what is wrong with the files a configuration names: absent, unreadable, of another kind."""
    problems = []
    if config.tls is not None:
        problems += [_check_pem("certificate", config.tls.certificate), _check_pem("key", config.tls.key)]
    if config.names.public_suffix_file is not None:
        problems.append(_check_list(config.names.public_suffix_file))
    if config.clients.member_ca_file is not None:
        problems.append(_check_authority("clients.member_ca_file", config.clients.member_ca_file))
    return (
        *(problem for problem in problems if problem is not None),
        *_check_nodes(config.nodes),
        *_check_blocklists(config),
        *check_authorities(config),
    )


def _check_nodes(nodes: NodesConfig | None) -> Iterator[Problem]:
    """Yield what is wrong with the files by which a node gets to the store and reads what is there."""
    if nodes is None:
        return
    try:
        if len(read_regular(nodes.key_file, MAX_FILE_BYTES)) < LEAST_SECRET_BYTES:
            yield Problem(
                "nodes.key_file",
                f"names {nodes.key_file}, which has fewer than {LEAST_SECRET_BYTES} bytes; make one for all nodes:"
                f" openssl rand -out {nodes.key_file} {LEAST_SECRET_BYTES}",
            )
    except (OSError, ValueError) as error:
        yield _unreadable("nodes.key_file", nodes.key_file, error)
    if nodes.password_file is not None:
        yield from _check_password(nodes.password_file)
    if nodes.ca_file is not None and (problem := _check_authority("nodes.ca_file", nodes.ca_file)) is not None:
        yield problem


def _check_password(path: Path) -> Iterator[Problem]:
    try:
        if not read_regular(path, MAX_FILE_BYTES).decode().strip():
            yield Problem("nodes.password_file", f"names {path}, which is empty.")
    except UnicodeDecodeError:
        yield Problem("nodes.password_file", f"names {path}, which is no UTF-8 text.")
    except (OSError, ValueError) as error:
        yield _unreadable("nodes.password_file", path, error)


def _check_blocklists(config: Config) -> Iterator[Problem]:
    """Yield which lists have no file that can be read; what is in them is seen when they are loaded."""
    for number, one in enumerate(config.blocklists, start=1):
        if one.file is not None:
            try:
                read_regular(one.file, 1)
            except (OSError, ValueError) as error:
                yield _unreadable(f"blocklist #{number}.file", one.file, error)


def check_authorities(config: Config) -> tuple[Problem, ...]:
    """Return what is wrong with the files of authorities that upstreams have."""
    return tuple(
        problem
        for number, upstream in enumerate(config.upstreams, start=1)
        if upstream.ca_file is not None
        and (problem := _check_authority(f"upstream #{number}.ca_file", upstream.ca_file)) is not None
    )


def check_sockets(config: Config) -> tuple[Problem, ...]:
    """Return why the file of a Unix socket could not be made, but for a directory that is made at the start."""
    return tuple(
        Problem(key, f"names {path}, {why}")
        for key, path in _sockets(config)
        if (why := _why_no_socket(path)) and not _is_made_at_start(path.parent)
    )


def socket_warnings(config: Config) -> tuple[Problem, ...]:
    """Return what is to be known about directories of Unix sockets that are not there yet."""
    return tuple(
        Problem(
            key,
            f"names {path}, and there is no {path.parent} now: whatever starts the service must make it, as"
            f" RuntimeDirectory={path.parent.name} in its systemd unit does.",
        )
        for key, path in _sockets(config)
        if _is_made_at_start(path.parent)
    )


def _sockets(config: Config) -> Iterator[tuple[str, Path]]:
    for key, listener in config.public_listen:
        if listener.kind == "unix":
            yield key, Path(listener.path)
    if config.metrics is not None and config.metrics.listen.kind == "unix":
        yield "metrics.listen", Path(config.metrics.listen.path)
    if config.admin is not None:
        yield "admin.socket", config.admin.socket


def _why_no_socket(path: Path) -> str:
    directory = path.parent
    if _is_directory(path):
        return f"which is a directory; name a file in it, for example {path / 'dohproxy.sock'}."
    if not _is_directory(directory):
        return f"and there is no directory {directory}; make it, or name another that the service's user may write to."
    try:
        is_taken = not stat.S_ISSOCK(path.lstat().st_mode)
    except OSError:
        return ""
    return "which is a file of another kind; name one that does not exist." if is_taken else ""


def _is_made_at_start(directory: Path) -> bool:
    """Tell whether a directory is one of those that go with the machine's start, and is not there yet."""
    return directory.parent in _RUNTIME and not directory.exists()


def check_snapshot(config: Config) -> tuple[Problem, ...]:
    """Return why the cache could not be kept in its file, if so. The service does without it all the same."""
    path = config.cache.snapshot_file
    if path is None:
        return ()
    directory = path.parent
    if _is_directory(path):
        why = f"names {path}, which is a directory"
    elif not _is_directory(directory):
        why = f"names {path}, and {directory} is no directory that this user can see"
    elif not os.access(directory, os.W_OK | os.X_OK):
        why = f"names {path}, and this user may not write to {directory}"
    else:
        return ()
    return (
        Problem(
            "cache.snapshot_file",
            f"{why}: the cache would be lost at each restart. Name a file in a directory of the service's user, as"
            " StateDirectory= in its systemd unit makes one.",
        ),
    )


def check_members(config: Config) -> tuple[Problem, ...]:
    """Return why members could not be added to their file, if so. The service runs all the same."""
    path = config.clients.member_file
    if path is None or (not _is_directory(path) and _is_directory(path.parent)):
        return ()
    why = "which is a directory" if _is_directory(path) else f"and {path.parent} is no directory that this user can see"
    return (
        Problem(
            "clients.member_file",
            f"names {path}, {why}: nobody could be made a member by a URL of their own. Name a file in a directory of"
            " the service's user, as StateDirectory= in its systemd unit makes one.",
        ),
    )


def check_ban_log(config: Config) -> tuple[Problem, ...]:
    """Return why bans could not be written down, if so. The service runs all the same."""
    path = config.bans.log_file
    if path is None:
        return ()
    try:
        mode = path.lstat().st_mode
    except OSError:  # It is made with the first ban.
        mode = stat.S_IFREG
    if stat.S_ISREG(mode) and _is_directory(path.parent):
        return ()
    is_file = stat.S_ISREG(mode)
    why = f"and {path.parent} is no directory that this user can see" if is_file else "which is no regular file"
    return (
        Problem(
            "bans.log_file",
            f"names {path}, {why}: no ban would be written down. Name a file, which need not be there yet, in a"
            " directory of the service's user, as LogsDirectory= in its systemd unit makes one.",
        ),
    )


def check_state(config: Config) -> tuple[Problem, ...]:
    """Return why state could not be kept in its directory, if so. The service does without it all the same."""
    directory = config.server.state_directory
    if directory is None or (_is_directory(directory) and os.access(directory, os.W_OK | os.X_OK)):
        return ()
    why = "this user may not write to it" if _is_directory(directory) else "there is no such directory for this user"
    return (
        Problem(
            "server.state_directory",
            f"names {directory}, and {why}: budgets and seniority would be lost at each restart. Name a directory of"
            " the service's user, as StateDirectory= in its systemd unit makes one.",
        ),
    )


def _is_directory(path: Path) -> bool:
    try:
        return stat.S_ISDIR(path.stat().st_mode)
    except OSError:
        return False


def _refuse(path: Path, sentence: str) -> ConfigError:
    return ConfigError((Problem(str(path), sentence),))


def _check_pem(key: str, path: Path) -> Problem | None:
    try:
        content = _read_bytes(path)
    except (OSError, ValueError) as error:
        return _unreadable(f"tls.{key}", path, error)
    if not any(mark in content for mark in _PEM_MARKS[key]):
        what = "certificate" if key == "certificate" else "private key"
        if content.startswith(_DER_MARK):
            command = "x509" if key == "certificate" else "pkey"
            return Problem(
                f"tls.{key}",
                f"names {path}, which is in a binary form and not in PEM; convert it:"
                f" openssl {command} -inform der -in {path} -out {path.with_suffix('.pem').name}",
            )
        return Problem(f"tls.{key}", f"names {path}, which holds no {what} in PEM form; are the two files swapped?")
    return None


def _check_authority(key: str, path: Path) -> Problem | None:
    try:
        content = _read_bytes(path)
        if len(content) > MAX_FILE_BYTES:
            return Problem(
                key, f"names {path}, which is longer than {MAX_FILE_BYTES} bytes; give one authority or a few."
            )
        read_pem(content)
    except UnreadableCertificate as error:
        return Problem(key, f"names {path}, which {error}.")
    except (OSError, ValueError) as error:
        return _unreadable(key, path, error)
    return None


def _check_list(path: Path) -> Problem | None:
    """Look for the mark that the list has near its top; whether all of it can be used is seen when it is loaded."""
    try:
        content = _read_bytes(path)
    except (OSError, ValueError) as error:
        return _unreadable("names.public_suffix_file", path, error)
    if _LIST_MARK not in content:
        return Problem(
            "names.public_suffix_file",
            f"names {path}, which is no public suffix list: it has no section of ICANN domains. Remove the line and"
            " the list installed with this program is used.",
        )
    return None


def command_warnings(config: Config) -> tuple[Problem, ...]:
    """Return whether the command for alerts cannot be started: no reason not to serve, and one to tell."""
    command = config.alerts.command
    if not command or (Path(command[0]).is_file() and os.access(command[0], os.X_OK)):
        return ()
    says = f"begins with {command[0]}, which is no file that can be started; nobody would be told of anything."
    return (Problem("alerts.command", says),)


def file_warnings(config: Config) -> tuple[Problem, ...]:
    """Return which files root may read and the service may not, as far as there is a user of its name.

    Root reads everything; so where root finds that all is fine, the service need not start.
    """
    reader = service_user()
    if reader is None or os.geteuid() != 0:
        return ()
    return tuple(
        Problem(key, f"names {path}, which {refusal(path, reader)}.")
        for key, path in _files(config)
        if obstacle(path, reader) is not None
    )


def _files(config: Config) -> Iterator[tuple[str, Path]]:
    if config.tls is not None:
        yield "tls.certificate", config.tls.certificate
        yield "tls.key", config.tls.key
    if config.names.public_suffix_file is not None:
        yield "names.public_suffix_file", config.names.public_suffix_file
    yield from _files_of_nodes(config.nodes)
    for number, blocklist in enumerate(config.blocklists, start=1):
        if blocklist.file is not None:
            yield f"blocklist #{number}.file", blocklist.file
    for number, upstream in enumerate(config.upstreams, start=1):
        if upstream.ca_file is not None:
            yield f"upstream #{number}.ca_file", upstream.ca_file


def _files_of_nodes(nodes: NodesConfig | None) -> Iterator[tuple[str, Path]]:
    if nodes is not None:
        for key in ("key_file", "password_file", "ca_file"):
            path = getattr(nodes, key)
            if path is not None:
                yield f"nodes.{key}", path


def _unreadable(key: str, path: Path, error: OSError | ValueError) -> Problem:
    if isinstance(error, PermissionError):
        return Problem(key, f"names {path}, which {refusal(path, this_user())}.")
    return Problem(
        key,
        f"names {path}, which {_explain(error)}. Relative names start from the directory of the configuration file.",
    )


def _read_bytes(path: Path) -> bytes:
    """Read at most one byte more than allowed, which tells that there is more."""
    return read_regular(path, MAX_FILE_BYTES + 1)


def _explain(error: OSError | ValueError) -> str:
    match error:
        case FileNotFoundError():
            return "does not exist"
        case IsADirectoryError():
            return "is a directory"
        case NotRegular():
            return "is no file, but a named pipe or a device"
        case OSError():
            return f"cannot be read ({error.strerror})"
        case _:
            return "is not a file name"
