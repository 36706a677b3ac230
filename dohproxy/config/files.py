"""The part of the configuration that touches the disk: the file itself, and the files it names."""

from pathlib import Path
from typing import Final

from dohproxy.config.problems import ConfigError, Problem
from dohproxy.config.reader import read
from dohproxy.config.schema import Config

MAX_FILE_BYTES: Final = 1_048_576
"""Longest file read: the annotated reference is under 32 KiB, so this is a wrong file, not a long one."""

_PEM_MARKS: Final = {"certificate": (b"-----BEGIN CERTIFICATE-----",), "key": (b"PRIVATE KEY-----",)}


def load(path: Path) -> Config:
    """Read the configuration file at `path`; relative names in it start from its directory.

    Raises `ConfigError` with every problem found. The files it names are not opened: see `check_files`.
    """
    try:
        content = _read_bytes(path)
    except (OSError, ValueError) as error:
        raise _refuse(path, f"{_explain(error)}. Name a file: --config conf/dohproxy.toml") from None
    if len(content) > MAX_FILE_BYTES:
        raise _refuse(path, f"is longer than {MAX_FILE_BYTES} bytes, so hardly a configuration; name another.")
    try:
        text = content.decode()
    except UnicodeDecodeError as error:
        raise _refuse(path, f"is not UTF-8 text (byte {error.start}); save it as UTF-8.") from None
    return read(text, directory=path.absolute().parent)


def check_files(config: Config) -> tuple[Problem, ...]:
    """Return what is wrong with the files a configuration names: absent, unreadable, of another kind."""
    if config.tls is None:
        return ()
    named = (("certificate", config.tls.certificate), ("key", config.tls.key))
    return tuple(problem for key, path in named if (problem := _check_pem(key, path)) is not None)


def _refuse(path: Path, sentence: str) -> ConfigError:
    return ConfigError((Problem(str(path), sentence),))


def _check_pem(key: str, path: Path) -> Problem | None:
    try:
        content = _read_bytes(path)
    except (OSError, ValueError) as error:
        return Problem(
            f"tls.{key}",
            f"names {path}, which {_explain(error)}. Relative names start from the directory of the"
            " configuration file; the service's user must be allowed to read it.",
        )
    if not any(mark in content for mark in _PEM_MARKS[key]):
        what = "certificate" if key == "certificate" else "private key"
        return Problem(f"tls.{key}", f"names {path}, which holds no {what} in PEM form; are the two files swapped?")
    return None


def _read_bytes(path: Path) -> bytes:
    """Read at most one byte more than allowed: the name may be that of an endless device."""
    with path.open("rb") as file:
        return file.read(MAX_FILE_BYTES + 1)


def _explain(error: OSError | ValueError) -> str:
    match error:
        case FileNotFoundError():
            return "does not exist"
        case PermissionError():
            return "may not be read by this user"
        case IsADirectoryError():
            return "is a directory"
        case OSError():
            return f"cannot be read ({error.strerror})"
        case _:
            return "is not a file name"
