"""Freed buffers are kept where the C library can be told so."""

import ctypes
import subprocess
import sys

import pytest

from dohproxy.frontends.allocator import MMAP_THRESHOLD_BYTES, keep_large_blocks

MINOR_FAULTS = """
import ctypes, resource
from dohproxy.frontends.allocator import keep_large_blocks
if {keeps}:
    keep_large_blocks()
libc = ctypes.CDLL(None)
libc.malloc.restype = libc.realloc.restype = ctypes.c_void_p
libc.realloc.argtypes, libc.free.argtypes = [ctypes.c_void_p, ctypes.c_size_t], [ctypes.c_void_p]
def turn():
    block = libc.malloc(262144)
    ctypes.memset(block, 1, 20000)
    libc.free(libc.realloc(block, 100))
turn()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(100):
    turn()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def _has_mallopt() -> bool:
    return hasattr(ctypes.CDLL(None), "mallopt")


def _faults(*, keeps: bool) -> int:
    run = subprocess.run(
        [sys.executable, "-c", MINOR_FAULTS.format(keeps=keeps)], capture_output=True, text=True, check=True, timeout=60
    )
    return int(run.stdout)


@pytest.mark.skipif(not _has_mallopt(), reason="this C library has no mallopt")
def test_a_buffer_that_comes_and_goes_is_mapped_once() -> None:
    # As uvloop does it: a large block, a little of it used, cut to that, and freed.
    assert _faults(keeps=False) >= 100
    assert _faults(keeps=True) < 20


def test_a_c_library_without_it_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ctypes, "CDLL", lambda _: object())
    assert not keep_large_blocks()


def test_the_threshold_is_one_that_glibc_takes() -> None:
    assert MMAP_THRESHOLD_BYTES <= 32 * 1_048_576
