"""Two stores: a full source and an empty destination."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from hyperspace_core.storage import Store
from hyperspace_core.stores.sqlite import open_store
from hyperspace_core.testing.stores.desk import Desk
from hyperspace_core.testing.stores.house import furnish


@pytest.fixture
def source(tmp_path: Path) -> Iterator[Store]:
    with open_store(f"sqlite:///{tmp_path}/source.db") as store:
        yield store


@pytest.fixture
def target(tmp_path: Path) -> Iterator[Store]:
    with open_store(f"sqlite:///{tmp_path}/target.db") as store:
        yield store


@pytest.fixture
def desk(source: Store) -> Desk:
    """Runs at the source."""
    return Desk(source)


@pytest.fixture
def there(target: Store) -> Desk:
    """Runs at the destination."""
    return Desk(target)


@pytest.fixture
def runs(source: Store, tmp_path: Path) -> dict[str, int]:
    """The source's runs by name; fills the source."""
    return furnish(source, tmp_path)
