"""A project that changes between openings, and a store with earlier runs."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from hyperspace_core.study import Study
from pytest_hyperspace.project import ProjectFolder, forget, make_project

from .stages import FILES, PROJECT

Open = Callable[..., Study]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "runs.db"


@pytest.fixture
def farm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ProjectFolder:
    """The project, installed for this test."""
    folder = make_project(tmp_path / "farm", name=PROJECT, files=FILES)
    folder.activate(monkeypatch)
    return folder


@pytest.fixture
def opened(farm: ProjectFolder, path: Path) -> Iterator[Open]:
    """Open the project after replacing files: `opened({"parts.py": text})`."""
    studies: list[Study] = []

    def one(files: dict[str, str] | None = None) -> Study:
        for name, text in (files or {}).items():
            farm.write(name, text)
        forget(farm.package.name)
        studies.append(Study(PROJECT, f"sqlite:///{path}"))
        return studies[-1]

    yield one
    for study in studies:
        study.close()


@pytest.fixture
def texts(path: Path) -> Callable[[], list[tuple[Any, ...]]]:
    """The stored texts of each run in the database."""

    def read() -> list[tuple[Any, ...]]:
        with closing(sqlite3.connect(path)) as connection:
            return connection.execute(
                "SELECT run, submitted, scenario, config FROM bodies ORDER BY run").fetchall()

    return read
