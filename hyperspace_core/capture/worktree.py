"""The state of a repository and its working tree."""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from hyperspace_core.capture.files import looks_secret, printable
from hyperspace_core.capture.project_modules import INSTALLED

# -- Parsers of git's machine-readable outputs, in which names are separated by NUL --

_BLANKS = {"1 ": 8, "2 ": 9, "u ": 10}         # kind of a changed file → blanks before its name
_OURS = ("system", "global", "command")        # scopes that a repository cannot write


@dataclass(frozen=True, kw_only=True)
class Status:
    commit: str | None
    branch: str | None
    changed: list[str]


@dataclass(frozen=True, kw_only=True)
class GitSettings:
    """The remote, and the repository's filters, which are programs on files."""

    remote: str | None = None
    filters: tuple[str, ...] = ()

    def overrides(self) -> tuple[str, ...]:
        settings = ("clean=", "smudge=", "process=", "required=false")
        return tuple(option for name in self.filters for setting in settings
                     for option in ("-c", f"filter.{name}.{setting}"))


def parse_settings(output: bytes) -> GitSettings:
    """Parse `git config --show-scope -z --get-regexp`: scope NUL key LF value NUL."""
    fields = output.decode("utf-8", "replace").split("\0")
    remotes: dict[str, str] = {}
    filters: dict[str, None] = {}
    for scope, entry in zip(fields[::2], fields[1::2], strict=False):
        key, _, value = entry.partition("\n")
        section, _, rest = key.partition(".")
        name = rest.rpartition(".")[0]
        if section == "remote":
            remotes.setdefault(name, value)
        elif scope not in _OURS:
            filters[name] = None
    remote = remotes.get("origin") or next(iter(remotes.values()), None)
    return GitSettings(remote=remote, filters=tuple(filters))


def parse_status(output: bytes) -> Status:
    """Parse `git status --porcelain=v2 --branch -z`."""
    commit = branch = None
    changed: list[str] = []
    fields = iter(output.split(b"\0"))
    for entry in fields:
        text = entry.decode("utf-8", "backslashreplace")
        if text.startswith("# branch.oid "):
            commit = _unless(text.removeprefix("# branch.oid "), "(initial)")
        elif text.startswith("# branch.head "):
            branch = _unless(text.removeprefix("# branch.head "), "(detached)")
        elif text[:2] in _BLANKS:
            changed.append(text.split(" ", _BLANKS[text[:2]])[-1])
            if text[:2] == "2 ":
                next(fields, None)                 # the old name
    return Status(commit=commit, branch=branch, changed=changed)


def parse_changes(output: bytes) -> dict[str, int | None]:
    """Parse `git diff --numstat --no-renames -z`: path → lines added and removed, None for a binary file."""
    entries = (entry.split(b"\t", 2) for entry in filter(None, output.split(b"\0")))
    return {os.fsdecode(path): None if added == b"-" else int(added) + int(removed)
            for added, removed, path in entries}


def parse_files(output: bytes) -> tuple[set[str], set[str]]:
    """Parse `git ls-files --stage -z`: the files, and the submodules among them."""
    entries = [entry.partition(b"\t") for entry in filter(None, output.split(b"\0"))]
    submodules = {os.fsdecode(path) for head, _, path in entries if head.startswith(b"160000")}
    return {os.fsdecode(path) for _, _, path in entries}, submodules


def without_credentials(remote: str) -> str:
    """A remote's address without user, password and query (maybe tokens)."""
    scheme, separator, rest = remote.partition("://")
    if not separator:
        # "git@host:path" has no password, but the user name may be a token
        user, at, place = remote.partition("@")
        return place if at and not re.fullmatch(r"[a-z_][a-z0-9_-]{0,15}", user) else remote
    authority, slash, path = re.split(r"[?#]", rest, maxsplit=1)[0].partition("/")
    host = authority.rpartition("@")[2]
    if re.search(r":(?!\d*$)", re.sub(r"^\[.*\]", "", host)):
        return f"{scheme}://***"                   # no port, but a part of a password with an unescaped slash
    return f"{scheme}://{host}{slash}{path}"


def first_line(text: bytes) -> str:
    lines = text.decode("utf-8", "replace").strip().splitlines()
    return lines[0][:300] if lines else ""


def _unless(text: str, nothing: str) -> str | None:
    return None if text == nothing else text


# -- Uncommitted changes: the working tree's patch, and untracked files --

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


def patch_of(git: Git, top: str, settings: GitSettings, commit: str | None) -> Uncommitted:
    """The text patch from the commit (None: from nothing) to the working tree."""
    base = commit or os.fsdecode(git(top, "hash-object", "-t", "tree", os.devnull)).strip()
    call = (*settings.overrides(), *_FORMAT, *_DIFF)
    changes = parse_changes(git(top, *call, "--numstat", "-z", base, "--"))
    if len(changes) > MAX_CHANGES:
        return Uncommitted(patch=None, left_out={"*": f"more than {MAX_CHANGES:,} changed files"})
    left_out = {path: why for path, lines in changes.items()
                if (why := _objection(top, path, lines)) is not None}
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


def _objection(top: str, path: str, lines: int | None) -> str | None:
    """Why a changed file cannot be part of the patch; None where it can."""
    if looks_secret(path):
        return "looks like a secret"
    if lines is None:
        return "not text"
    try:
        size = os.lstat(f"{top}/{path}").st_size
    except OSError:                                # removed
        size = 0
    return "too large" if size > MAX_PATCH_BYTES or lines > _MAX_LINES else None


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
class WorkTree:
    """The last known state of a working tree."""

    top: Path
    settings: GitSettings
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
            "untracked_sources": [printable(name) for name in self.untracked[:MAX_LISTED]],
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


def work_tree_of(git: Git, top: Path, files: list[str]) -> WorkTree | GitUnavailable:
    try:
        # reading the settings runs no program; the next calls disable the programs that they name
        settings = settings_of(git, str(top))
        status = parse_status(git(str(top), *settings.overrides(), "status", "--porcelain=v2", "--branch",
                                  "-z", "--untracked-files=no", "--ignore-submodules=dirty"))
        untracked = unknown_files(git, str(top), files)
    except GitUnavailable as error:
        return error
    return WorkTree(top=top, settings=settings, status=status, untracked=untracked)


def settings_of(git: Git, top: str) -> GitSettings:
    """The repository's settings. Raises `GitUnavailable` for unsafe filters."""
    try:
        text = git(top, "config", "--includes", "--show-scope", "-z", "--get-regexp",
                    r"^(remote\..*\.url|filter\..*\.(clean|smudge|process|required))$")
    except GitUnavailable as error:
        if error.exit_code == 1:                   # no such setting
            return GitSettings()
        raise
    settings = parse_settings(text)
    # such a name cannot be passed on a command line
    if any("=" in name or "\n" in name for name in settings.filters):
        raise GitUnavailable("the repository configures a filter that cannot be disabled because of its name")
    return settings
