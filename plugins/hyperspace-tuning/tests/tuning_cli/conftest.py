"""The fixtures of core's tests of commands."""

from __future__ import annotations

from support.commands import (
    at_terminal,
    completed,
    growing,
    harness,
    project_name,
    start,
    store,
    typed,
    typed_apart,
    url,
)

__all__ = [
    "at_terminal", "completed", "growing", "harness", "project_name", "start", "store", "typed",
    "typed_apart", "url",
]
