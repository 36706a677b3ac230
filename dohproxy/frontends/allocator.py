"""What glibc does with the buffers of uvloop's TLS: 256 KiB are taken and given back with every read.

By default such a block is mapped each time, cut to what was read, and unmapped; or else cut off the end of the heap.
Both are system calls and page faults, and together they cost more than all the rest of an answer from the cache. Two
settings keep the block. Measured with a constant answer over TLS: 64 microseconds a request without, 48 with the first,
39 with both; on other systems and C libraries nothing happens.
"""

import ctypes
from typing import Final

M_TRIM_THRESHOLD: Final = -1
M_MMAP_THRESHOLD: Final = -3
"""malloc.h of glibc."""
MMAP_THRESHOLD_BYTES: Final = 16_777_216
"""Blocks from this size on are mapped; glibc takes no more than 32 MiB."""
TRIM_THRESHOLD_BYTES: Final = 67_108_864
"""What may be free at the end of the heap before it is given back: the size of the cache, which turns over in it."""


def keep_large_blocks() -> bool:
    """Have freed buffers kept for the next read; return whether the C library has taken notice."""
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError):
        return False
    settings = ((M_MMAP_THRESHOLD, MMAP_THRESHOLD_BYTES), (M_TRIM_THRESHOLD, TRIM_THRESHOLD_BYTES))
    taken = [mallopt(parameter, value) for parameter, value in settings]
    return taken == [1, 1]
