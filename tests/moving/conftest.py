"""Two stores: a full source and an empty destination."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from hyperspace_core.storage import Store
from hyperspace_core.stores.sqlite import open_store
from pytest_hyperspace.stores.harness import Harness
from pytest_hyperspace.stores.sample_store import fill_sample_store


@pytest.fixture
def source(tmp_path: Path) -> Iterator[Store]:
    with open_store(f"sqlite:///{tmp_path}/source.db") as store:
        yield store


@pytest.fixture
def target(tmp_path: Path) -> Iterator[Store]:
    with open_store(f"sqlite:///{tmp_path}/target.db") as store:
        yield store


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
