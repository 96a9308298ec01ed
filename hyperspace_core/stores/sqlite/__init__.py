"""The embedded store: `open_store("sqlite:///PATH")` opens or creates a file."""

from __future__ import annotations

from hyperspace_core.stores.sqlite.store import open_store

__all__ = ["open_store"]
