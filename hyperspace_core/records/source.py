"""Snapshots of source code, so that a run can be executed again.

The store keeps each content once, under its hash; a snapshot lists paths and hashes. Its own name is the hash
of this list, so equal code is one snapshot on every machine and in every folder.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

SNAPSHOT = "snapshot"          # key in a run's `code` and provenance: the snapshot of the imported code
CHANGES = "changes"            # likewise: the snapshot of uncommitted changes, a patch and untracked files


@dataclass(frozen=True, kw_only=True)
class SourceFile:
    """One file of a snapshot."""

    path: str                  # "digits_study/components.py": relative to a folder on `sys.path`
    digest: str                # SHA-256 of the content, hexadecimal
    size: int                  # bytes


@dataclass(frozen=True, kw_only=True)
class Snapshot:
    """A set of files with unique paths."""

    files: tuple[SourceFile, ...]

    @cached_property
    def digest(self) -> str:
        """SHA-256 over all paths and contents in any order, hexadecimal."""
        hasher = hashlib.sha256()
        for file in sorted(self.files, key=lambda one: one.path):
            name = file.path.encode("utf-8", "surrogateescape")
            hasher.update(b"%d:%s%s" % (len(name), name, file.digest.encode()))
        return hasher.hexdigest()

    @property
    def size(self) -> int:
        """Bytes of all contents."""
        return sum(file.size for file in self.files)


def named_snapshots(section: Mapping[str, Any]) -> tuple[str, ...]:
    """Digests of the snapshots in a run's `code` or in a section of its provenance."""
    return tuple(digest for key in (SNAPSHOT, CHANGES) if isinstance(digest := section.get(key), str))
