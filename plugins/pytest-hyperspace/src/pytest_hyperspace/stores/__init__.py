"""The conformance suite for stores: tests of `hyperspace_core.storage.Store`.

A backend's test file is one class with one fixture:

    from pytest_hyperspace.stores import Backend, StoreConformance

    class TestMine(StoreConformance):
        @pytest.fixture
        def backend(self, tmp_path):
            numbers = itertools.count()
            return Backend(new_url=lambda: f"mine:///{tmp_path}/{next(numbers)}.db", open=open_store)

`open` is called with a URL, here and in other processes, so it must be importable by name. A slow server
lowers the limits of `StoreTests` in the subclass; what remains must pass whole.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pytest_hyperspace.stores.base import Backend, StoreTests
    from pytest_hyperspace.stores.conformance import StoreConformance

__all__ = ["Backend", "StoreConformance", "StoreTests"]


def __getattr__(name: str) -> Any:
    """Import pytest and Hypothesis only for the suite itself, not in the processes that it starts."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import importlib

    home = "conformance" if name == "StoreConformance" else "base"
    return getattr(importlib.import_module(f"{__name__}.{home}"), name)
