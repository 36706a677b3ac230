"""Lines as systemd's journal wants them: each with its priority before it (sd-daemon(3)); it notes the time itself."""

import logging
import os
from collections.abc import Mapping
from typing import Final

PRIORITIES: Final = ((logging.CRITICAL, 2), (logging.ERROR, 3), (logging.WARNING, 4), (logging.INFO, 6))
"""Of syslog(3), by the least level that has them. 5, a notice, is a level that Python does not know."""
DEBUG: Final = 7


def is_journal(environment: Mapping[str, str], descriptor: int) -> bool:
    """Tell whether what is written to a descriptor goes to the journal.

    JOURNAL_STREAM names device and inode (systemd.exec(5)): a child whose output was led elsewhere has the variable
    all the same.
    """
    device, colon, inode = environment.get("JOURNAL_STREAM", "").partition(":")
    if not colon:
        return False
    try:
        found = os.fstat(descriptor)
    except OSError:
        return False
    return (device, inode) == (str(found.st_dev), str(found.st_ino))


def priority(level: int) -> int:
    """Return the priority of a level of Python's logging."""
    return next((number for least, number in PRIORITIES if level >= least), DEBUG)


def with_priority(text: str, level: int) -> str:
    """Return text with its priority before each line: the journal makes an entry of each."""
    mark = f"<{priority(level)}>"
    return "\n".join(mark + line for line in text.split("\n"))
