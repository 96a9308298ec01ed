"""Fixtures of `support.commands` and `support.world`."""

from __future__ import annotations

from support.commands import (
    at_terminal,
    completed,
    editing,
    growing,
    harness,
    hyperspace_storage,
    project,
    project_name,
    start,
    store,
    typed,
    typed_apart,
    url,
    worker,
)
from support.world import world

__all__ = [
    "at_terminal", "completed", "editing", "growing", "harness", "hyperspace_storage", "project",
    "project_name", "start", "store", "typed", "typed_apart", "url", "worker", "world",
]
