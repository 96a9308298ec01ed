"""The section `git`: which commit the project's code is at, and whether it has been changed since.

A repository's own configuration may name programs to run (`core.fsmonitor`, hooks, filters), so every call is
hardened; untracked files are never scanned; every call has a limit of ten seconds.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from dataclasses import dataclass
from functools import lru_cache
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
from hyperspace_core.markers import hookimpl
from hyperspace_core.sink import Absent, Section

if TYPE_CHECKING:
    from hyperspace_core.extension.manager import Extensions

LIMIT_S = 10.0
FRESH_S = 5.0                  # how long a state of the working tree is believed without looking again
MAX_LISTED = 20

_INSTALLED = {"site-packages", "dist-packages"}
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
class _Seen:
    at: float
    stamp: Stamp
    answer: Section | Absent


class GitCapture:
    """Looks at the repository that holds the code of the opened project."""

    def __init__(self, extensions: Extensions) -> None:
        self._extensions = extensions
        self._repositories: dict[str, _Repository | GitUnavailable] = {}
        self._seen: dict[str, _Seen] = {}

    @hookimpl
    def hyperspace_capture(self) -> Section | Absent:
        source = self._extensions.project_source
        if source is None:
            return Absent("git", "the project's code is in no folder")
        repository = self._repositories.get(source)
        if repository is None:
            repository = self._repositories[source] = _repository(source)
        if isinstance(repository, GitUnavailable):
            return Absent("git", str(repository))
        files = _loaded_files(repository.top)
        stamp = _stamp((*repository.watched, *files))
        seen = self._seen.get(source)
        if seen is None or seen.stamp != stamp or time.monotonic() - seen.at > FRESH_S:
            seen = _Seen(at=time.monotonic(), stamp=stamp, answer=_answer(repository, files))
            self._seen[source] = seen
        answer = seen.answer
        return Section("git", dict(answer.data)) if isinstance(answer, Section) else answer

    def prepare(self) -> None:
        self.hyperspace_capture()


def _repository(source: str) -> _Repository | GitUnavailable:
    try:
        redirected = [name for name in _REDIRECTING if name in os.environ]
        if redirected:
            raise GitUnavailable(f"{redirected[0]} is set, so git speaks of another repository")
        if _INSTALLED & set(Path(source).parts):
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


def _answer(repository: _Repository, files: list[str]) -> Section | Absent:
    try:
        top = str(repository.top)
        # reading the settings runs nothing; what they name is switched off in the next calls
        settings = _settings(top)
        status = parse_status(_git(top, *settings.overrides(), "status", "--porcelain=v2", "--branch", "-z",
                                   "--untracked-files=no", "--ignore-submodules=dirty"))
        untracked = _untracked(top, files)
    except GitUnavailable as error:
        return Absent("git", str(error))
    return Section("git", _data(repository, settings, status, untracked))


def _data(repository: _Repository, settings: Settings, status: Status,
          untracked: list[str]) -> dict[str, Any]:
    return {
        "root": str(repository.top),
        "commit": status.commit,               # None: nothing has been committed yet
        "branch": status.branch,               # None: detached
        "dirty": bool(status.changed or untracked),
        "changed": status.changed[:MAX_LISTED],
        "untracked_sources": untracked[:MAX_LISTED],
        "remote": None if settings.remote is None else without_credentials(settings.remote),
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


def _untracked(top: str, files: list[str]) -> list[str]:
    """The sources that have been loaded and that git does not know: the commit does not hold them."""
    names = [os.path.relpath(file, top) for file in files][:1000]
    if not names:
        return []
    listed = _git(top, "--literal-pathspecs", "ls-files", "-z", "--", *names)
    tracked = {os.fsdecode(name) for name in listed.split(b"\0")}
    return [name.encode("utf-8", "backslashreplace").decode() for name in names if name not in tracked]


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


def _loaded_files(top: Path) -> list[str]:
    """The modules of the repository that this process has imported."""
    root = f"{top}{os.sep}"
    files = {getattr(module, "__file__", None) for module in list(sys.modules.values())}
    return sorted(real for real in map(_real_source, files) if real is not None and real.startswith(root))


@lru_cache(maxsize=1 << 16)
def _real_source(file: str | None) -> str | None:
    """A module's file as git would name it; None for what is installed or is no source."""
    if not isinstance(file, str) or not file.endswith(".py") or _INSTALLED & set(Path(file).parts):
        return None
    return os.path.realpath(file)


def _stamp(files: tuple[Path | str, ...]) -> Stamp:
    found = []
    for file in files:
        try:
            status = os.stat(file)  # noqa: PTH116 - called for every file before every run
        except OSError:
            continue
        found.append((str(file), status.st_mtime_ns, status.st_size))
    return tuple(found)
