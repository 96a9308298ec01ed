"""A git repository with a package, and programs that it must not run."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

ENVIRONMENT = {
    "GIT_AUTHOR_NAME": "A", "GIT_AUTHOR_EMAIL": "a@b", "GIT_COMMITTER_NAME": "A",
    "GIT_COMMITTER_EMAIL": "a@b", "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1",
}


class Repository:
    """A working tree with one package, `labcode`, that this process has imported."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.package = root / "labcode"
        self.package.mkdir(parents=True)
        self.code = self.write("labcode/__init__.py", "VALUE = 1\n")

    def git(self, *arguments: str) -> str:
        return subprocess.run(["git", *arguments], cwd=self.root, check=True, capture_output=True,
                              text=True).stdout

    def write(self, name: str, text: str) -> Path:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    def commit(self) -> str:
        self.git("add", "-A")
        self.git("commit", "-q", "-m", "x", "--no-gpg-sign")
        return self.git("rev-parse", "HEAD").strip()


def load(name: str, file: Path) -> None:
    """Import a file as a module of the project."""
    spec = importlib.util.spec_from_file_location(name, file)
    assert spec is not None
    assert spec.loader is not None
    sys.modules[name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(sys.modules[name])


def plant_fsmonitor(repository: Repository, trap: Path) -> None:
    repository.git("config", "core.fsmonitor", str(trap))


def plant_hooks(repository: Repository, trap: Path) -> None:
    hooks = repository.root / ".git" / "hooks"
    for name in ("post-index-change", "fsmonitor-watchman", "pre-auto-gc"):
        (hooks / name).write_text(trap.read_text())
        (hooks / name).chmod(0o755)


def plant_filter(repository: Repository, trap: Path) -> None:
    repository.write(".gitattributes", "*.py filter=evil\n")
    for setting in ("clean", "smudge"):
        repository.git("config", f"filter.evil.{setting}", str(trap))
    repository.git("config", "filter.evil.required", "true")


def plant_process_filter(repository: Repository, trap: Path) -> None:
    repository.write(".gitattributes", "*.py filter=evil\n")
    repository.git("config", "filter.evil.process", str(trap))


def plant_included_filter(repository: Repository, trap: Path) -> None:
    repository.write(".gitattributes", "*.py filter=evil\n")
    repository.write("more.config", f"[filter \"evil\"]\n\tclean = {trap}\n")
    repository.git("config", "include.path", "../more.config")


def plant_diff(repository: Repository, trap: Path) -> None:
    repository.write(".gitattributes", "*.py diff=evil\n")
    repository.git("config", "diff.external", str(trap))
    repository.git("config", "diff.evil.textconv", str(trap))


PLANTS = [plant_fsmonitor, plant_hooks, plant_filter, plant_process_filter, plant_included_filter, plant_diff]
