"""Fixtures: a project that changes between openings, and two stores."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from farm import FILES, PROJECT
from hyperspace_core.storage import Store
from hyperspace_core.stores.sqlite import open_store
from hyperspace_migrate.testing import fill_sample_store
from pytest_hyperspace.project import ProjectFolder
from pytest_hyperspace.stores.harness import Harness
from support.commands import at_terminal, growing, project_name, start, store, typed, url  # noqa: F401 - fixtures
from support.openings import Open, openings

# -- Back-fill and check -----------------------------------------------------------------------------------

@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "runs.db"


@pytest.fixture
def farm(hyperspace_project: Callable[..., ProjectFolder]) -> ProjectFolder:
    return hyperspace_project(FILES, name=PROJECT)


@pytest.fixture
def opened(farm: ProjectFolder, path: Path) -> Iterator[Open]:
    """Open the project after replacing files: `opened({"parts.py": text})`."""
    with openings(farm, f"sqlite:///{path}") as one:
        yield one


@pytest.fixture
def texts(path: Path) -> Callable[[], list[tuple[Any, ...]]]:
    """The stored texts of each run in the database."""

    def read() -> list[tuple[Any, ...]]:
        with closing(sqlite3.connect(path)) as connection:
            return connection.execute(
                "SELECT run, submitted, scenario, config FROM bodies ORDER BY run").fetchall()

    return read


# -- Copies ------------------------------------------------------------------------------------------------

@pytest.fixture
def source(tmp_path: Path) -> Iterator[Store]:
    with open_store(f"sqlite:///{tmp_path}/source.db") as opened_store:
        yield opened_store


@pytest.fixture
def target(tmp_path: Path) -> Iterator[Store]:
    with open_store(f"sqlite:///{tmp_path}/target.db") as opened_store:
        yield opened_store


@pytest.fixture
def harness(source: Store) -> Harness:
    """Runs at the source."""
    return Harness(source)


@pytest.fixture
def there(target: Store) -> Harness:
    """Runs at the destination."""
    return Harness(target)


@pytest.fixture
def runs(source: Store, tmp_path: Path) -> dict[str, int]:
    """The source's runs by name; fills the source."""
    return fill_sample_store(source, tmp_path)
