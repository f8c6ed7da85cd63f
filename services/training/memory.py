"""Big buffers are kept by the process while it trains on a processor.

The C library gives every large block back to the operating system when it is freed, and each pass
of a training then waits for the same pages to be cleared again: about a quarter of its time on a
135M model in bfloat16. This is about glibc; elsewhere nothing is done.
"""

from __future__ import annotations

import ctypes
import platform
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

# Parameters of mallopt(3) and the values that glibc starts with.
_TRIM_THRESHOLD, _TOP_PAD, _MMAP_MAX = -1, -2, -4
_DEFAULTS = {_TRIM_THRESHOLD: 128 * 1024, _TOP_PAD: 128 * 1024, _MMAP_MAX: 65536}
_KEEPING = {_TRIM_THRESHOLD: 2**31 - 1, _TOP_PAD: 256 * 2**20, _MMAP_MAX: 0}


@contextmanager
def keeping_freed_memory() -> Iterator[None]:
    """Freed blocks stay with the process within the block, and go back when it ends."""
    if platform.libc_ver()[0] != "glibc":
        yield
        return
    library = ctypes.CDLL(None)
    for parameter, value in _KEEPING.items():
        library.mallopt(parameter, value)
    try:
        yield
    finally:
        for parameter, value in _DEFAULTS.items():
            library.mallopt(parameter, value)
        library.malloc_trim(0)
