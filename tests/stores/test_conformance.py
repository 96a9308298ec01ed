"""The conformance suite on the embedded store."""

from __future__ import annotations

from itertools import count
from pathlib import Path

import pytest

from hyperspace_core.stores.sqlite import open_store
from pytest_hyperspace.stores import Backend, StoreConformance


class TestSqlite(StoreConformance):
    @pytest.fixture
    def backend(self, tmp_path: Path) -> Backend:
        numbers = count(1)
        return Backend(new_url=lambda: f"sqlite:///{tmp_path}/{next(numbers)}.db", open=open_store)
