"""A project made from a dict of files, which counts as installed; a clock that a test advances."""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys
import textwrap
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pytest


@dataclass(frozen=True)
class ProjectFolder:
    """A project on disk; it is found once `root` is on the path."""

    root: Path                     # the folder to put on `sys.path`
    name: str                      # the module named by the entry point

    @property
    def package(self) -> Path:
        """The folder of the package."""
        return self.root / _package(self.name)

    def write(self, name: str, text: str) -> Path:
        """Write a file of the package, such as "tasks/a.json"; dedents the text."""
        path = self.package / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text), encoding="utf-8")
        if path.suffix == ".py":
            # Python would not notice a change of equal length within one second
            Path(importlib.util.cache_from_source(str(path))).unlink(missing_ok=True)
        return path

    def env(self) -> dict[str, str]:
        """The environment of a process that has the project installed."""
        there = [place for place in os.environ.get("PYTHONPATH", "").split(os.pathsep)
                 if place and place != str(self.root)]
        return os.environ | {"PYTHONPATH": os.pathsep.join([str(self.root), *there])}

    def activate(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Install the project for this test and its child processes."""
        monkeypatch.setenv("PYTHONPATH", self.env()["PYTHONPATH"])
        monkeypatch.syspath_prepend(str(self.root))
        forget(self.package.name)
        monkeypatch.setitem(_Loaded(), self.package.name, True)
        importlib.invalidate_caches()


def make_project(root: Path, *, name: str, files: Mapping[str, str], version: str = "1.0",
                 entry: str = "hyperspace") -> ProjectFolder:
    """Write a project under `root`, with the metadata that pip would write.

    The package has the project's name with `-` replaced by `_`; `files` are its files and their text, and a
    missing `__init__.py` is added. `entry` is the module that registers the project.
    """
    folder = ProjectFolder(root, name)
    for file, text in ({"__init__.py": ""} | dict(files)).items():
        folder.write(file, text)
    package = folder.package.name
    info = root / f"{package}-{version}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    (info / "entry_points.txt").write_text(f"[hyperspace.projects]\n{name} = {package}.{entry}\n")
    return folder


def forget(package: str) -> None:
    """Remove a package from `sys.modules`, so that the next import reads its files again."""
    for name in list(sys.modules):
        if name == package or name.startswith(f"{package}."):
            del sys.modules[name]


class _Loaded(dict[str, bool]):
    """Forgets a package when `monkeypatch` deletes its name at the end."""

    def __delitem__(self, package: str) -> None:
        super().__delitem__(package)
        forget(package)


def _package(name: str) -> str:
    return name.replace("-", "_")


class FakeClock:
    """A `Clock` that stands still until `advance` is called."""

    def __init__(self, start: datetime = datetime(2026, 1, 1, tzinfo=UTC)) -> None:
        self._monotonic = 1000.0
        self._now = start

    def monotonic(self) -> float:
        return self._monotonic

    def now(self) -> datetime:
        return self._now

    def advance(self, seconds: float) -> None:
        """Advance both times."""
        self._monotonic += seconds
        self._now += timedelta(seconds=seconds)

    def set_wall(self, moment: datetime) -> None:
        """Set the wall clock, as a user may."""
        self._now = moment
