"""Fixtures of `support.commands`."""

from __future__ import annotations

from support.commands import (
    at_terminal,
    completed,
    editing,
    growing,
    harness,
    project,
    start,
    store,
    typed,
    typed_apart,
    url,
    worker,
    world,
)

__all__ = [
    "at_terminal", "completed", "editing", "growing", "harness", "project", "start", "store", "typed",
    "typed_apart", "url", "worker", "world",
]
