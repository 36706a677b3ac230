"""Files that the operator names are opened here: a regular one at once, and nothing else at all.

Opening a named pipe waits until somebody writes into it, which may be for ever, and a device may have no end. No start
and no reload is to hang on that, whatever stands behind a name.
"""

import errno
import os
import stat
from pathlib import Path
from typing import BinaryIO


class NotRegular(OSError):
    """A name leads to a named pipe, a device or a socket."""


def open_regular(path: Path, *, buffering: int = -1) -> BinaryIO:
    """Open a file for reading; `buffering` as in `open`. Raises OSError, NotRegular if it is of another kind, and
    ValueError if it is no file name."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    try:
        require_regular(descriptor)
        return os.fdopen(descriptor, "rb", buffering)
    except BaseException:
        os.close(descriptor)
        raise


def require_regular(descriptor: int) -> None:
    """Do nothing for a regular file that is open. Raises IsADirectoryError and NotRegular."""
    mode = os.fstat(descriptor).st_mode
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, "Is a directory")
    if not stat.S_ISREG(mode):
        raise NotRegular(errno.EINVAL, "Not a regular file")


def read_regular(path: Path, most_bytes: int) -> bytes:
    """Return a file's content, or its first `most_bytes` bytes. Raises what `open_regular` raises."""
    with open_regular(path) as file:
        return file.read(most_bytes)
