"""The date of a response (RFC 9110 section 5.6.7), written once a second.

Written each time, a cached answer over HTTP/1.1 would cost nearly three times as much.
"""

import time
from email.utils import formatdate
from typing import Final

DATE_BYTES: Final = 29
"""The length of every date."""


class _Clock:
    __slots__ = ("second", "written")

    def __init__(self) -> None:
        self.second = -1
        self.written = ""


_LAST: Final = _Clock()


def http_date() -> str:
    """Return the date of this second; the same object as long as it lasts."""
    second = int(time.time())
    if second != _LAST.second:
        _LAST.second, _LAST.written = second, formatdate(second, usegmt=True)
    return _LAST.written
