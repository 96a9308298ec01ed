"""Checkout of a commit and a patch into a new folder."""

from __future__ import annotations

import io
import re
import tarfile
from functools import partial
from pathlib import Path

from hyperspace_core.capture.git import LIMIT_S, _git
from hyperspace_core.capture.worktree import GitUnavailable, settings_of

_COMMIT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")


def checked_out(repository: str, commit: str, folder: Path) -> None:
    """Write a commit's files to an empty folder; the repository is only read.

    Raises `GitUnavailable`, also for a commit that is not in this repository.
    """
    if not _COMMIT.fullmatch(commit):
        raise GitUnavailable(f"{commit[:50]!a} is no commit")
    git = partial(_git, limit_s=LIMIT_S)
    # else the repository's own filters would run on each file
    overrides = settings_of(git, repository).overrides()
    packed = git(repository, *overrides, "archive", "--format=tar", commit)
    with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
        archive.extractall(folder, filter="data")


def patched(folder: Path, patch: Path) -> None:
    """Apply an uncommitted patch to the files of its commit. Raises `GitUnavailable`."""
    _git(str(folder), "apply", "--whitespace=nowarn", str(patch), limit_s=LIMIT_S)
