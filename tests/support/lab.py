"""A small project for tests, found by its entry point on `sys.path`; its files can be edited."""

from __future__ import annotations

import itertools
import os
import sys
import textwrap
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

from hyperspace_core.extension.manager import build_manager
from hyperspace_core.extension.project import Project, open_project

_ticks = itertools.count(1)


class Lab:
    """The folder on `sys.path`, with the package `labwork` and the files that a test writes."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.write("labwork-0.3.dist-info/METADATA", "Metadata-Version: 2.1\nName: labwork\nVersion: 0.3\n")
        self.write("labwork-0.3.dist-info/entry_points.txt",
                   "[hyperspace.projects]\nlab = labwork\n[console_scripts]\nlab = labwork:main\n")

    def write(self, name: str, text: str | bytes) -> Path:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(textwrap.dedent(text).encode() if isinstance(text, str) else text)
        # git sees an edit of equal size only when the second of its time changes
        stamp = time.time_ns() - 10**14 + next(_ticks) * 10**9
        os.utime(path, ns=(stamp, stamp))
        return path

    def edit(self, name: str, old: str, new: str) -> None:
        text = (self.root / name).read_text()
        assert old in text, f"{name} has no {old!r}"
        self.write(name, text.replace(old, new))

    def open(self) -> Project:
        return open_project("lab", build_manager(discover=False))


@contextmanager
def lab(root: Path, monkeypatch: pytest.MonkeyPatch, files: Mapping[str, str]) -> Iterator[Lab]:
    """Removes its imported modules afterwards."""
    made = Lab(root)
    for name, text in files.items():
        made.write(name, text)
    before = set(sys.modules)
    monkeypatch.syspath_prepend(str(root))
    yield made
    for name in set(sys.modules) - before:
        file = getattr(sys.modules[name], "__file__", None)
        if name.partition(".")[0].startswith("lab") or (file and file.startswith(str(root))):
            del sys.modules[name]
