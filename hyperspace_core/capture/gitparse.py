"""Parsers of git's machine-readable outputs, in which names are separated by NUL."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass

_OURS = ("system", "global", "command")        # scopes that a repository cannot write


@dataclass(frozen=True, kw_only=True)
class Status:
    commit: str | None
    branch: str | None
    changed: list[str]


@dataclass(frozen=True, kw_only=True)
class Settings:
    """The remote, and the repository's filters, which are programs on files."""

    remote: str | None = None
    filters: tuple[str, ...] = ()

    @property
    def odd(self) -> bool:
        """Whether a filter's name cannot be passed on a command line."""
        return any("=" in name or "\n" in name for name in self.filters)

    def overrides(self) -> tuple[str, ...]:
        options: list[str] = []
        for name in self.filters:
            for setting in ("clean=", "smudge=", "process=", "required=false"):
                options += ["-c", f"filter.{name}.{setting}"]
        return tuple(options)


def parse_settings(output: bytes) -> Settings:
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
    return Settings(remote=remote, filters=tuple(filters))


def parse_status(output: bytes) -> Status:
    """Parse `git status --porcelain=v2 --branch -z`."""
    commit = branch = None
    changed: list[str] = []
    fields = iter(output.split(b"\0"))
    for field in fields:
        text = field.decode("utf-8", "backslashreplace")
        if text.startswith("# branch.oid "):
            commit = _unless(text.removeprefix("# branch.oid "), "(initial)")
        elif text.startswith("# branch.head "):
            branch = _unless(text.removeprefix("# branch.head "), "(detached)")
        elif text[:2] == "1 ":
            changed.append(text.split(" ", 8)[-1])
        elif text[:2] == "2 ":
            changed.append(text.split(" ", 9)[-1])
            next(fields, None)                     # the old name
        elif text[:2] == "u ":
            changed.append(text.split(" ", 10)[-1])
    return Status(commit=commit, branch=branch, changed=changed)


@dataclass(frozen=True, kw_only=True)
class Change:
    """A changed file; `lines`: added and removed, None for a binary file."""

    path: str
    lines: int | None


def parse_changes(output: bytes) -> list[Change]:
    """Parse `git diff --numstat --no-renames -z`."""
    found = []
    for entry in filter(None, output.split(b"\0")):
        added, removed, path = entry.split(b"\t", 2)
        lines = None if added == b"-" else int(added) + int(removed)
        found.append(Change(path=os.fsdecode(path), lines=lines))
    return found


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
