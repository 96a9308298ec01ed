"""Uncommitted changes as a snapshot: the patch, and untracked files."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING

from hyperspace_core.capture.git import GitCapture
from hyperspace_core.capture.uncommitted import Uncommitted
from hyperspace_core.capture.worktree import GitUnavailable
from hyperspace_core.records.code import Snapshot, SourceFile

if TYPE_CHECKING:
    from hyperspace_core.extension.project import Project

PATCH = "uncommitted.patch"
UNTRACKED = "untracked"

Contents = Mapping[str, "bytes | str"]             # path → content, or the file that contains it


@dataclass(frozen=True, kw_only=True)
class GitChanges:
    """The state of a project's files according to git."""

    state: str                             # "commit 3f2a… and uncommitted changes"
    changes: Snapshot | None = None
    contents: Contents = field(default_factory=dict)
    untracked: tuple[str, ...] = ()
    left_out: Mapping[str, str] = field(default_factory=dict)      # path → why it is not in the patch


def changes_of(project: Project, snapshot: Snapshot, places: Mapping[str, str]) -> GitChanges:
    """The uncommitted changes; `places`: the snapshot's files on disk."""
    git = git_of(project)
    if git is None:
        return GitChanges(state="git was not used")
    tree = git.tree()
    if isinstance(tree, GitUnavailable):
        return GitChanges(state=str(tree))
    real = {_real(places[file.path]): file for file in snapshot.files if file.path in places}
    found = git.uncommitted(tree, {place: file.digest for place, file in real.items()})
    if isinstance(found, GitUnavailable):
        return GitChanges(state=str(found))
    commit = "nothing committed yet" if tree.status.commit is None else f"commit {tree.status.commit[:12]}"
    dirty = bool(found.patch or found.left_out)
    changes, contents = _snapshot(found, str(tree.top), real)
    return GitChanges(state=f"{commit} and uncommitted changes" if dirty else commit, changes=changes,
                contents=contents, untracked=found.untracked, left_out=found.left_out)


def git_of(project: Project) -> GitCapture | None:
    """The plugin that captures git's state for this project."""
    return next((one for one in project.extensions.builtins if isinstance(one, GitCapture)), None)


def source_file(path: str, content: bytes) -> SourceFile:
    return SourceFile(path=path, digest=hashlib.sha256(content).hexdigest(), size=len(content))


def _snapshot(found: Uncommitted, top: str,
              real: Mapping[str, SourceFile]) -> tuple[Snapshot | None, Contents]:
    contents: dict[str, bytes | str] = {}
    files = []
    if found.patch:
        contents[PATCH] = found.patch
        files.append(source_file(PATCH, found.patch))
    for name in found.untracked:
        place = os.path.join(top, name)  # noqa: PTH118 - as git names it
        file = real[place]
        path = f"{UNTRACKED}/{name}"
        files.append(SourceFile(path=path, digest=file.digest, size=file.size))
        contents[path] = place
    return (Snapshot(files=tuple(files)), contents) if files else (None, {})


@lru_cache(maxsize=1 << 14)
def _real(place: str) -> str:
    return os.path.realpath(place)
