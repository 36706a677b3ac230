"""A tree in which something seems to be compiled."""

import os
import time
from pathlib import Path


def seem_compiled(tree: Path, *, seconds: float) -> None:
    """Have something compiled so many seconds from now: after a source that is written today, or before it."""
    stamp = tree / ".native" / "stamp"
    stamp.parent.mkdir()
    stamp.touch()
    compiled = time.time() + seconds
    os.utime(stamp, (compiled, compiled))
