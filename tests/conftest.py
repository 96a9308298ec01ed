"""For all tests of core."""

from __future__ import annotations

import pytest


@pytest.fixture
def url(hyperspace_storage: str) -> str:
    """The address of a store that does not exist yet."""
    return hyperspace_storage
