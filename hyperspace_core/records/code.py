"""A snapshot of source code: which files with which content, so that a run can be executed again on it.

Contents lie in the store once, under their hash; a snapshot names them. Its own name is the hash of what it
names, so equal code is one snapshot, whoever took it and wherever it stood.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

SNAPSHOT = "snapshot"          # in a run's `code` and in its provenance: the snapshot of what is imported
CHANGES = "changes"            # likewise: the snapshot of what the commit lacks, a patch and untracked files


@dataclass(frozen=True, kw_only=True)
class SourceFile:
    """One file of a snapshot."""

    path: str                  # "digits_study/components.py": below a folder that is on `sys.path`
    digest: str                # SHA-256 of the content, hexadecimal
    size: int                  # bytes


@dataclass(frozen=True, kw_only=True)
class Snapshot:
    """Files by path, each path once."""

    files: tuple[SourceFile, ...]

    @cached_property
    def digest(self) -> str:
        """SHA-256 over all paths and contents, hexadecimal; in whatever order the files are given."""
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
    """The snapshots that a run's `code`, or a section of its provenance, names."""
    return tuple(digest for key in (SNAPSHOT, CHANGES) if isinstance(digest := section.get(key), str))
