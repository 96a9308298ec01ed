"""Uncommitted changes: the working tree's patch, and untracked files.

`git` is the hardened call of `capture.git`; its exceptions are passed on. Only files that git tracks and the
named folders are scanned.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from hyperspace_core.capture.gitparse import Change, Settings, parse_changes, parse_files
from hyperspace_core.capture.private import looks_secret

if TYPE_CHECKING:
    from hyperspace_core.capture.worktree import Git

MAX_PATCH_BYTES = 1 << 20
MAX_CHANGES = 2_000            # changed files
_MAX_LINES = 100_000           # changed lines of one file

# overrides the user's settings, so that `git apply` accepts the patch
_FORMAT = ("-c", "diff.noprefix=false", "-c", "diff.mnemonicPrefix=false", "-c", "diff.relative=false")
_DIFF = ("diff", "--no-ext-diff", "--no-textconv", "--no-color", "--no-renames", "--ignore-submodules=dirty",
         "--submodule=short", "--src-prefix=a/", "--dst-prefix=b/", f"-O{os.devnull}")


@dataclass(frozen=True, kw_only=True)
class Uncommitted:
    """The differences between the commit and the working tree."""

    patch: bytes | None                    # None: nothing has changed, or no change can be stored
    left_out: Mapping[str, str] = field(default_factory=dict)      # path → why it is not in the patch
    untracked: tuple[str, ...] = ()        # the given files that git does not track


def patch_of(git: Git, top: str, settings: Settings, commit: str | None) -> Uncommitted:
    """The text patch from the commit (None: from nothing) to the working tree."""
    base = commit or os.fsdecode(git(top, "hash-object", "-t", "tree", os.devnull)).strip()
    call = (*settings.overrides(), *_FORMAT, *_DIFF)
    changes = parse_changes(git(top, *call, "--numstat", "-z", base, "--"))
    if len(changes) > MAX_CHANGES:
        return Uncommitted(patch=None, left_out={"*": f"more than {MAX_CHANGES:,} changed files"})
    left_out = {change.path: why for change in changes if (why := _objection(top, change)) is not None}
    patch = None
    if len(left_out) < len(changes):
        others = [f":(top,exclude,literal){path}" for path in left_out]
        patch = git(top, *call, "--unified=3", "--binary", base, "--", *others)
        if len(patch) > MAX_PATCH_BYTES:
            left_out["*"] = f"the patch has {len(patch) / (1 << 20):.3g} MiB, more than 1 MiB"
            patch = None
    return Uncommitted(patch=patch, left_out=left_out)


def unknown_files(git: Git, top: str, files: Collection[str]) -> list[str]:
    """The given files (real paths) that git does not track, relative to `top`."""
    root = f"{top}{os.sep}"
    inside = [Path(file[len(root):]).as_posix() for file in files if file.startswith(root)]
    if not inside:
        return []
    listed = git(top, "--literal-pathspecs", "ls-files", "-z", "--stage", "--", *_roots(inside))
    tracked, submodules = parse_files(listed)
    return sorted(path for path in inside if path not in tracked and not _is_below(path, submodules))


def _objection(top: str, change: Change) -> str | None:
    """Why a changed file cannot be part of the patch; None where it can."""
    if looks_secret(change.path):
        return "looks like a secret"
    if change.lines is None:
        return "not text"
    try:
        size = os.lstat(f"{top}/{change.path}").st_size
    except OSError:                                # removed
        size = 0
    return "too large" if size > MAX_PATCH_BYTES or change.lines > _MAX_LINES else None


def _roots(paths: Collection[str]) -> list[str]:
    """The topmost folders of some files; files at the top stay files."""
    found: set[str] = set()
    for folder in sorted({path.rpartition("/")[0] or path for path in paths}):
        if not _is_below(folder, found):
            found.add(folder)
    return sorted(found)


def _is_below(path: str, folders: Collection[str]) -> bool:
    parts = path.split("/")
    return any("/".join(parts[:count]) in folders for count in range(1, len(parts) + 1))
