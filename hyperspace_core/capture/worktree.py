"""The state of a repository and its working tree."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from hyperspace_core.capture.gitparse import (
    Settings,
    Status,
    parse_settings,
    parse_status,
    without_credentials,
)
from hyperspace_core.capture.loaded import INSTALLED
from hyperspace_core.capture.uncommitted import unknown_files
from hyperspace_core.capture.walk import shown

MAX_LISTED = 20                # names in the section

# variables that make git use another repository
_REDIRECTING = ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_COMMON_DIR", "GIT_OBJECT_DIRECTORY")


class Git(Protocol):
    """Runs git in a folder and returns its output. Raises `GitUnavailable`."""

    def __call__(self, folder: str, *arguments: str) -> bytes: ...


class GitUnavailable(Exception):
    """Git gave no result; the text is the reason, `exit_code` is git's own if it ran."""

    def __init__(self, reason: str, exit_code: int | None = None) -> None:
        super().__init__(reason)
        self.exit_code = exit_code


@dataclass(frozen=True, kw_only=True)
class Repository:
    """Facts about a repository that do not change during a process."""

    top: Path
    watched: tuple[Path, ...]      # git's own files that change with each commit, checkout and `git add`


@dataclass(frozen=True, kw_only=True)
class Tree:
    """The last known state of a working tree."""

    top: Path
    settings: Settings
    status: Status
    untracked: list[str]           # loaded source files that git does not track

    def facts(self) -> dict[str, Any]:
        """The section `git`."""
        status, remote = self.status, self.settings.remote
        return {
            "root": str(self.top),
            "commit": status.commit,               # None: no commit yet
            "branch": status.branch,               # None: detached
            "dirty": bool(status.changed or self.untracked),
            "changed": status.changed[:MAX_LISTED],
            "untracked_sources": [shown(name) for name in self.untracked[:MAX_LISTED]],
            "remote": None if remote is None else without_credentials(remote),
        }


def repository_of(git: Git, source: str) -> Repository | GitUnavailable:
    try:
        redirected = [name for name in _REDIRECTING if name in os.environ]
        if redirected:
            raise GitUnavailable(f"{redirected[0]} is set, so git uses another repository")
        if INSTALLED & set(Path(source).parts):
            raise GitUnavailable("the project is an installed copy, not run from a working tree")
        text = git(source, "rev-parse", "--show-toplevel", "--absolute-git-dir", "--git-common-dir")
        top, own, common = (os.fsdecode(line) for line in text.splitlines()[:3])
    except GitUnavailable as error:
        return error
    except ValueError:
        return GitUnavailable("the output of git could not be parsed")
    folder = Path(own)
    shared = Path(source, common)
    watched = (folder / "HEAD", folder / "index", folder / "logs" / "HEAD", shared / "packed-refs",
               shared / "config")
    return Repository(top=Path(top), watched=watched)


def tree_of(git: Git, top: Path, files: list[str]) -> Tree | GitUnavailable:
    try:
        # reading the settings runs no program; the next calls disable the programs that they name
        settings = settings_of(git, str(top))
        status = parse_status(git(str(top), *settings.overrides(), "status", "--porcelain=v2", "--branch",
                                  "-z", "--untracked-files=no", "--ignore-submodules=dirty"))
        untracked = unknown_files(git, str(top), files)
    except GitUnavailable as error:
        return error
    return Tree(top=top, settings=settings, status=status, untracked=untracked)


def settings_of(git: Git, top: str) -> Settings:
    """The repository's settings. Raises `GitUnavailable` for unsafe filters."""
    try:
        text = git(top, "config", "--includes", "--show-scope", "-z", "--get-regexp",
                    r"^(remote\..*\.url|filter\..*\.(clean|smudge|process|required))$")
    except GitUnavailable as error:
        if error.exit_code == 1:                   # no such setting
            return Settings()
        raise
    settings = parse_settings(text)
    if settings.odd:
        raise GitUnavailable("the repository configures a filter that cannot be disabled because of its name")
    return settings
