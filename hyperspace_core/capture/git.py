"""The section `git`: which commit the project's code is at, and whether it has been changed since.

A repository's own configuration may name programs to run (`core.fsmonitor`, hooks, filters), so every call is
hardened; untracked files are never scanned; every call has a limit of ten seconds.
"""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hyperspace_core.capture.gitparse import (
    Settings,
    Status,
    first_line,
    parse_settings,
    parse_status,
    without_credentials,
)
from hyperspace_core.capture.loaded import INSTALLED, loaded_below
from hyperspace_core.capture.uncommitted import Uncommitted, patch_of, unknown_files
from hyperspace_core.capture.walk import shown
from hyperspace_core.markers import hookimpl
from hyperspace_core.sink import Absent, Section

if TYPE_CHECKING:
    from hyperspace_core.extension.manager import Extensions

LIMIT_S = 10.0
FRESH_S = 5.0                  # how long a state of the working tree is believed without looking again
MAX_LISTED = 20

_HARDENED = ("-c", "core.fsmonitor=false", "-c", f"core.hooksPath={os.devnull}", "--no-optional-locks")
_ENVIRONMENT = {"GIT_TERMINAL_PROMPT": "0", "GIT_NO_LAZY_FETCH": "1", "GIT_OPTIONAL_LOCKS": "0"}
# they would make git look at another repository than the code's own
_REDIRECTING = ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_COMMON_DIR", "GIT_OBJECT_DIRECTORY")

Stamp = tuple[tuple[str, int, int], ...]


class GitUnavailable(Exception):
    """Nothing can be said; the text is the reason, `exit_code` git's own where it ran."""

    def __init__(self, reason: str, exit_code: int | None = None) -> None:
        super().__init__(reason)
        self.exit_code = exit_code


@dataclass(frozen=True, kw_only=True)
class _Repository:
    """What does not change while a process lives."""

    top: Path
    watched: tuple[Path, ...]      # files of git's that change with each commit, checkout and `git add`


@dataclass(frozen=True, kw_only=True)
class Tree:
    """A working tree as it was seen last."""

    top: Path
    settings: Settings
    status: Status
    untracked: list[str]           # sources that have been loaded and that git does not know


@dataclass(frozen=True, kw_only=True)
class _Seen:
    at: float
    stamp: Stamp
    tree: Tree | GitUnavailable


@dataclass(frozen=True, kw_only=True)
class _Compared:
    """What lay between the commit and the working tree, for which look and which files."""

    tree: Tree
    files: Mapping[str, str]
    answer: Uncommitted


class GitCapture:
    """Looks at the repository that holds the code of the opened project."""

    def __init__(self, extensions: Extensions) -> None:
        self._extensions = extensions
        self._repositories: dict[str, _Repository | GitUnavailable] = {}
        self._seen: dict[str, _Seen] = {}
        self._compared: dict[str, _Compared] = {}

    @hookimpl
    def hyperspace_capture(self) -> Section | Absent:
        tree = self.tree()
        return Absent("git", str(tree)) if isinstance(tree, GitUnavailable) else Section("git", _data(tree))

    def tree(self) -> Tree | GitUnavailable:
        """The working tree now, or why nothing can be said. Asked again only where something has changed."""
        return self._looked().tree

    def uncommitted(self, tree: Tree, files: Mapping[str, str]) -> Uncommitted | GitUnavailable:
        """What the commit of `tree` lacks. `files`: real paths that git may not know, with their digests."""
        top = str(tree.top)
        known = self._compared.get(top)
        if known is None or known.tree is not tree or known.files != files:
            try:
                patch = patch_of(_git, top, tree.settings, tree.status.commit)
                answer = replace(patch, untracked=tuple(unknown_files(_git, top, files)))
            except GitUnavailable as error:
                return error
            known = self._compared[top] = _Compared(tree=tree, files=files, answer=answer)
        return known.answer

    def _looked(self) -> _Seen:
        source = self._extensions.project_source
        if source is None:
            return _unseen(GitUnavailable("the project's code is in no folder"))
        repository = self._repositories.get(source)
        if repository is None:
            repository = self._repositories[source] = _repository(source)
        if isinstance(repository, GitUnavailable):
            return _unseen(repository)
        files = loaded_below(repository.top)
        stamp = _stamp((*repository.watched, *files))
        seen = self._seen.get(source)
        if seen is None or seen.stamp != stamp or time.monotonic() - seen.at > FRESH_S:
            seen = _Seen(at=time.monotonic(), stamp=stamp, tree=_tree(repository.top, files))
            self._seen[source] = seen
        return seen

    def prepare(self) -> None:
        self.hyperspace_capture()


def _repository(source: str) -> _Repository | GitUnavailable:
    try:
        redirected = [name for name in _REDIRECTING if name in os.environ]
        if redirected:
            raise GitUnavailable(f"{redirected[0]} is set, so git speaks of another repository")
        if INSTALLED & set(Path(source).parts):
            raise GitUnavailable("the project is an installed copy, not run from a working tree")
        text = _git(source, "rev-parse", "--show-toplevel", "--absolute-git-dir", "--git-common-dir")
        top, own, common = (os.fsdecode(line) for line in text.splitlines()[:3])
    except GitUnavailable as error:
        return error
    except ValueError:
        return GitUnavailable("git gave no answer that could be read")
    folder = Path(own)
    shared = Path(source, common)
    watched = (folder / "HEAD", folder / "index", folder / "logs" / "HEAD", shared / "packed-refs",
               shared / "config")
    return _Repository(top=Path(top), watched=watched)


def _unseen(reason: GitUnavailable) -> _Seen:
    return _Seen(at=0.0, stamp=(), tree=reason)


def _tree(top: Path, files: list[str]) -> Tree | GitUnavailable:
    try:
        # reading the settings runs nothing; what they name is switched off in the next calls
        settings = _settings(str(top))
        status = parse_status(_git(str(top), *settings.overrides(), "status", "--porcelain=v2", "--branch",
                                   "-z", "--untracked-files=no", "--ignore-submodules=dirty"))
        untracked = unknown_files(_git, str(top), files)
    except GitUnavailable as error:
        return error
    return Tree(top=top, settings=settings, status=status, untracked=untracked)


def _data(tree: Tree) -> dict[str, Any]:
    status, remote = tree.status, tree.settings.remote
    return {
        "root": str(tree.top),
        "commit": status.commit,               # None: nothing has been committed yet
        "branch": status.branch,               # None: detached
        "dirty": bool(status.changed or tree.untracked),
        "changed": status.changed[:MAX_LISTED],
        "untracked_sources": [shown(name) for name in tree.untracked[:MAX_LISTED]],
        "remote": None if remote is None else without_credentials(remote),
    }


def _settings(top: str) -> Settings:
    try:
        text = _git(top, "config", "--includes", "--show-scope", "-z", "--get-regexp",
                    r"^(remote\..*\.url|filter\..*\.(clean|smudge|process|required))$")
    except GitUnavailable as error:
        if error.exit_code == 1:                   # none of them is set
            return Settings()
        raise
    settings = parse_settings(text)
    if settings.odd:
        raise GitUnavailable("the repository configures a filter whose name is too odd to switch it off")
    return settings


def _git(folder: str, *arguments: str) -> bytes:
    """The output of a hardened call. Raises `GitUnavailable`."""
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
        output, errors = process.communicate(timeout=LIMIT_S)
    except subprocess.TimeoutExpired:
        process.kill()
        for pipe in filter(None, (process.stdout, process.stderr)):
            pipe.close()                           # not read to its end: a helper of git's may hold it open
        process.wait()
        raise GitUnavailable(f"git took longer than {LIMIT_S:g} s") from None
    if process.returncode != 0:
        raise GitUnavailable(_reason(errors), process.returncode)
    return output


def _reason(errors: bytes) -> str:
    said = first_line(errors)
    if "not a git repository" in said:
        return "the project's code is in no git repository"
    return f"git: {said.removeprefix('fatal: ')}" if said else "git failed and did not say why"


def _gitpython() -> Any:
    """GitPython looks for the program when it is imported, and raises without one unless told not to."""
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


def _stamp(files: tuple[Path | str, ...]) -> Stamp:
    found = []
    for file in files:
        try:
            status = os.stat(file)  # noqa: PTH116 - called for every file before every run
        except OSError:
            continue
        found.append((str(file), status.st_mtime_ns, status.st_size))
    return tuple(found)
