"""Cached hashes of files, computed again only when the file has changed."""

from __future__ import annotations

import hashlib
import os
import time
from pathlib import Path

KEPT = 20_000                  # hashes in memory
_YOUNG_NS = 50_000_000         # a younger file may change unnoticed, as file system clocks are coarse

Stamp = tuple[int, int, int, int, int]     # mtime and ctime in ns, size, inode, device

Digest = tuple[str, int]       # SHA-256, hexadecimal, and the number of bytes

_known: dict[str, tuple[Stamp, Digest]] = {}


def stamp_of(status: os.stat_result) -> Stamp:
    return status.st_mtime_ns, status.st_ctime_ns, status.st_size, status.st_ino, status.st_dev


def digest_of(path: str, stamp: Stamp) -> Digest:
    """The digest of a file with this stamp; of the current content if changed.

    Raises `OSError`.
    """
    known = _known.get(path)
    if known is not None and known[0] == stamp:
        return known[1]
    content = Path(path).read_bytes()
    digest = hashlib.sha256(content).hexdigest(), len(content)
    if len(content) == stamp[2] and max(stamp[:2]) + _YOUNG_NS < time.time_ns():
        if len(_known) >= KEPT:
            _known.clear()
        _known[path] = stamp, digest
    return digest
