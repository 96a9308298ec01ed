"""Take the rights of root from a thread for a while, so that file modes bind root, too."""

from __future__ import annotations

import contextlib
import ctypes
import os
from collections.abc import Iterator

CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH = 1, 2
VERSION_3 = 0x20080522
_Six = ctypes.c_uint32 * 6         # twice: effective, permitted, inheritable


@contextlib.contextmanager
def file_modes_bind() -> Iterator[None]:
    """Within this block, this thread may read a file only if its mode says so."""
    if os.geteuid() != 0:
        yield
        return
    kept = _capabilities()
    without = _Six(*kept)
    without[0] &= ~(1 << CAP_DAC_OVERRIDE | 1 << CAP_DAC_READ_SEARCH)
    _set(without)
    try:
        yield
    finally:
        _set(kept)


def _capabilities() -> ctypes.Array[ctypes.c_uint32]:
    header, found = (ctypes.c_uint32 * 2)(VERSION_3, 0), _Six()
    _checked(ctypes.CDLL(None, use_errno=True).capget(header, found))
    return found


def _set(capabilities: ctypes.Array[ctypes.c_uint32]) -> None:
    header = (ctypes.c_uint32 * 2)(VERSION_3, 0)
    _checked(ctypes.CDLL(None, use_errno=True).capset(header, capabilities))


def _checked(code: int) -> None:
    if code:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
