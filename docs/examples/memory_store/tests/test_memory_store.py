"""The conformance suite on the store in memory."""

from __future__ import annotations

from itertools import count
from typing import ClassVar

import pytest

from memory_store import open_store
from pytest_hyperspace.stores import Backend, StoreConformance

NUMBERS = count(1)


class TestMemoryStore(StoreConformance):
    declares: ClassVar = ()            # none of the capabilities
    processes: ClassVar = False        # no other process can open it

    @pytest.fixture
    def backend(self) -> Backend:
        return Backend(new_url=lambda: f"memory://{next(NUMBERS)}", open=open_store)
