"""The section `git`: the commit of the project's code, and changes since.

A repository's own configuration may name programs to run (`core.fsmonitor`, hooks, filters), so every call is
hardened; untracked files are never scanned; every call has a limit of ten seconds.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
import re
import subprocess
import tarfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hyperspace_core.capture import worktree
from hyperspace_core.capture.files import FileStamp, stamp_at
from hyperspace_core.capture.project_modules import loaded_below
from hyperspace_core.capture.worktree import GitUnavailable, Uncommitted, WorkTree
from hyperspace_core.markers import hookimpl
from hyperspace_core.records.run import Snapshot, SourceFile
from hyperspace_core.run import Absent, Section

if TYPE_CHECKING:
    from hyperspace_core.extension.manager import Extensions
    from hyperspace_core.extension.project import Project

LIMIT_S = 10.0
FRESH_S = 5.0                  # how long a state of the working tree is cached
HURRIED_S = 1.0                # limit of a git call while a worker waits for it

_HARDENED = ("-c", "core.fsmonitor=false", "-c", f"core.hooksPath={os.devnull}", "--no-optional-locks")
_ENVIRONMENT = {"GIT_TERMINAL_PROMPT": "0", "GIT_NO_LAZY_FETCH": "1", "GIT_OPTIONAL_LOCKS": "0"}
TreeStamp = tuple[tuple[str, FileStamp | None], ...]


@dataclass(frozen=True, kw_only=True)
class _Seen:
    at: float
    stamp: TreeStamp
    tree: WorkTree | GitUnavailable


@dataclass(frozen=True, kw_only=True)
class _Compared:
    """Uncommitted changes, with the look and the files that they were computed for."""

    tree: WorkTree
    files: Mapping[str, str]
    answer: Uncommitted


class GitCapture:
    """Captures the state of the repository that holds the opened project's code."""

    def __init__(self, extensions: Extensions) -> None:
        self._extensions = extensions
        self._repositories: dict[str, worktree.Repository | GitUnavailable] = {}
        self._seen: dict[str, _Seen] = {}
        self._compared: dict[str, _Compared] = {}
        self._limit_s: float | None = None
        self._slow = False

    @hookimpl
    def hyperspace_capture(self) -> Section | Absent:
        tree = self.tree()
        return Absent("git", str(tree)) if isinstance(tree, GitUnavailable) else Section("git", tree.facts())

    def tree(self) -> WorkTree | GitUnavailable:
        """The working tree, or why it is unknown; cached up to `FRESH_S`."""
        source = self._extensions.project_source
        if source is None:
            return GitUnavailable("the project's code is in no folder")
        repository = self._repositories.get(source)
        if repository is None:
            repository = self._repositories[source] = worktree.repository_of(self._git, source)
        if isinstance(repository, GitUnavailable):
            return repository
        files = loaded_below(repository.top)
        stamp = tuple((file, stamp_at(file)) for file in (*map(str, repository.watched), *files))
        seen = self._seen.get(source)
        fresh_s = FRESH_S if self._limit_s is None else FRESH_S / 2
        if seen is None or seen.stamp != stamp or time.monotonic() - seen.at > fresh_s:
            at, tree = time.monotonic(), worktree.work_tree_of(self._git, repository.top, files)
            seen = self._seen[source] = _Seen(at=at, stamp=stamp, tree=tree)
        return seen.tree

    def uncommitted(self, tree: WorkTree, files: Mapping[str, str]) -> Uncommitted | GitUnavailable:
        """The uncommitted changes; `files`: path → digest of maybe untracked files."""
        top = str(tree.top)
        known = self._compared.get(top)
        if known is None or known.tree is not tree or known.files != files:
            try:
                patch = worktree.patch_of(self._git, top, tree.settings, tree.status.commit)
                answer = replace(patch, untracked=tuple(worktree.unknown_files(self._git, top, files)))
            except GitUnavailable as error:
                return error
            known = self._compared[top] = _Compared(tree=tree, files=files, answer=answer)
        return known.answer

    def _git(self, folder: str, *arguments: str) -> bytes:
        return _git(folder, *arguments, limit_s=LIMIT_S if self._limit_s is None else self._limit_s)

    @contextlib.contextmanager
    def hurried(self) -> Iterator[bool]:
        """Refresh the state before it expires; gives False where git is too slow.

        Where git did not answer in time, the results from meanwhile are dropped.
        """
        if self._slow:
            yield False
            return
        seen, compared = dict(self._seen), dict(self._compared)
        began, self._limit_s = time.monotonic(), HURRIED_S
        try:
            yield True
        finally:
            self._limit_s = None
            if time.monotonic() - began >= HURRIED_S:
                self._slow, self._seen, self._compared = True, seen, compared

    def prepare(self) -> None:
        self.hyperspace_capture()


def _git(folder: str, *arguments: str, limit_s: float) -> bytes:
    """Run git with hardened settings; return its output. Raises `GitUnavailable`."""
    git = _gitpython()
    command = [git.Git.GIT_PYTHON_GIT_EXECUTABLE or "git", *_HARDENED, *arguments]
    try:
        running = git.Git(folder).execute(command, as_process=True, env=_ENVIRONMENT)
    except (git.GitCommandNotFound, FileNotFoundError):
        raise GitUnavailable("git: not found") from None
    except (git.GitCommandError, OSError) as error:
        raise GitUnavailable(f"git could not be started: {type(error).__name__}") from None
    process: subprocess.Popen[bytes] = running.proc
    try:
        output, errors = process.communicate(timeout=limit_s)
    except subprocess.TimeoutExpired:
        process.kill()
        for pipe in filter(None, (process.stdout, process.stderr)):
            pipe.close()                           # not read to its end: a helper of git may hold it open
        process.wait()
        raise GitUnavailable(f"git took longer than {limit_s:g} s") from None
    if process.returncode != 0:
        raise GitUnavailable(_reason(errors), process.returncode)
    return output


def _reason(errors: bytes) -> str:
    said = worktree.first_line(errors)
    if "not a git repository" in said:
        return "the project's code is in no git repository"
    return f"git: {said.removeprefix('fatal: ')}" if said else "git failed without a message"


def _gitpython() -> Any:
    """Import GitPython so that it does not raise where the program git is missing."""
    name = "GIT_PYTHON_REFRESH"
    before = os.environ.get(name)
    os.environ[name] = "quiet"
    try:
        import git
    finally:
        if before is None:
            del os.environ[name]
        else:
            os.environ[name] = before
    return git


# -- Uncommitted changes as a snapshot: the patch, and untracked files --

PATCH = "uncommitted.patch"
UNTRACKED = "untracked"

ChangeContents = Mapping[str, "bytes | str"]             # path → content, or the file that contains it


@dataclass(frozen=True, kw_only=True)
class GitChanges:
    """The state of a project's files according to git."""

    state: str                             # "commit 3f2a… and uncommitted changes"
    changes: Snapshot | None = None
    contents: ChangeContents = field(default_factory=dict)
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
              real: Mapping[str, SourceFile]) -> tuple[Snapshot | None, ChangeContents]:
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


# -- Checkout of a commit and a patch into a new folder --

_COMMIT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")


def checked_out(repository: str, commit: str, folder: Path) -> None:
    """Write a commit's files to an empty folder; the repository is only read.

    Raises `GitUnavailable`, also for a commit that is not in this repository.
    """
    if not _COMMIT.fullmatch(commit):
        raise GitUnavailable(f"{commit[:50]!a} is no commit")
    git = partial(_git, limit_s=LIMIT_S)
    # else the repository's own filters would run on each file
    overrides = worktree.settings_of(git, repository).overrides()
    packed = git(repository, *overrides, "archive", "--format=tar", commit)
    with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
        archive.extractall(folder, filter="data")


def patched(folder: Path, patch: Path) -> None:
    """Apply an uncommitted patch to the files of its commit. Raises `GitUnavailable`."""
    _git(str(folder), "apply", "--whitespace=nowarn", str(patch), limit_s=LIMIT_S)
