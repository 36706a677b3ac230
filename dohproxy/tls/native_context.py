"""OpenSSL's own context behind Python's, for the one setting that Python 3.14 and older cannot make.

A call into a library by hand may crash where Python would raise, so nothing is called before it is proved: the Python
is one whose layout is known, the library is the one that `ssl` itself uses, and the address read is memory that holds
the very options which `ssl` shows, also after they have been changed. Whoever fails one of these gets NotProved and
nothing has happened.
"""

import _ssl
import ctypes
import re
import ssl
import sys
from pathlib import Path
from typing import Final

LAST_KNOWN_PYTHON: Final = (3, 14)
"""In CPython's _ssl.c the pointer to SSL_CTX is the first thing in a context, in every release from 3.6 to this one;
later ones have `SSLContext.set_groups` and need no pointer."""
POINTER_BYTES: Final = ctypes.sizeof(ctypes.c_void_p)
MAPS: Final = Path("/proc/self/maps")
SET_GROUPS_LIST: Final = 92
"""SSL_CTRL_SET_GROUPS_LIST: SSL_CTX_set1_groups_list is a macro for this."""


class NotProved(RuntimeError):
    """The native context cannot be reached safely; the message says why, in words that follow "because"."""


def set_groups(context: ssl.SSLContext, groups: str) -> bool:
    """Have `context` use only these groups (OpenSSL's names, colons between); return whether OpenSSL knows them all.

    Raises NotProved.
    """
    library = _library()
    address = _proved_address(context, library)
    is_set = bool(library.SSL_CTX_ctrl(address, SET_GROUPS_LIST, 0, groups.encode("ascii")) == 1)
    # What a refusal leaves in the thread's queue of errors would be taken for that of a connection.
    library.ERR_clear_error()
    return is_set


def _library() -> ctypes.CDLL:
    """Return the libssl that `ssl` uses. Raises NotProved."""
    python = f"{sys.implementation.name} {sys.version_info[0]}.{sys.version_info[1]}"
    if sys.implementation.name != "cpython" or sys.version_info[:2] > LAST_KNOWN_PYTHON:
        raise NotProved(f"the layout of {python} is not known")
    try:
        # By way of the extension, whose own libraries are searched too; None if it is part of the program.
        library = ctypes.CDLL(getattr(_ssl, "__file__", None))
        library.OpenSSL_version_num.restype = ctypes.c_ulong
        version = library.OpenSSL_version_num()
        library.SSL_CTX_get_options.restype = ctypes.c_uint64
        library.SSL_CTX_get_options.argtypes = [ctypes.c_void_p]
        library.SSL_CTX_ctrl.restype = ctypes.c_long
        library.SSL_CTX_ctrl.argtypes = [ctypes.c_void_p, ctypes.c_int, ctypes.c_long, ctypes.c_char_p]
        library.ERR_clear_error.restype = None
    except (OSError, AttributeError):
        raise NotProved("its OpenSSL cannot be called from here") from None
    if version != ssl.OPENSSL_VERSION_NUMBER:
        raise NotProved("another OpenSSL than that of Python's ssl was found")
    return library


def _proved_address(context: ssl.SSLContext, library: ctypes.CDLL) -> int:
    """Return the address of the SSL_CTX of `context`. Raises NotProved."""
    offset = object.__basicsize__
    if type(context).__basicsize__ < offset + POINTER_BYTES:
        raise NotProved("a context has another layout than expected")
    address = _pointer_at(id(context) + offset)
    if address % POINTER_BYTES or not _is_writable_memory(address):
        raise NotProved("a context has another layout than expected")
    before = context.options
    try:
        for options in (before, before ^ ssl.OP_NO_TICKET, before):
            context.options = options
            if _options_at(address, library) != int(context.options):
                raise NotProved("a context has another layout than expected")
    finally:
        context.options = before
    return address


def _pointer_at(address: int) -> int:
    return ctypes.c_void_p.from_address(address).value or 0


def _options_at(address: int, library: ctypes.CDLL) -> int:
    return int(library.SSL_CTX_get_options(address))


def _is_writable_memory(address: int) -> bool:
    """Tell whether there is memory at this address that may be read and written, and half a page behind it."""
    try:
        lines = MAPS.read_text(encoding="ascii", errors="replace").splitlines()
    except OSError:
        raise NotProved("the process cannot see its own memory map") from None
    ranges = (re.match(r"([0-9a-f]+)-([0-9a-f]+) rw", line) for line in lines)
    return any(found and int(found[1], 16) <= address < int(found[2], 16) - 2048 for found in ranges)
