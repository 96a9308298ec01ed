"""Migrations: how the configs of finished runs are brought to what the project's code calls things today.

A migration is named, applied to stored runs one by one, and can be undone: what a run had before is kept.
What the user wrote (`submitted`) is never touched.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from hyperspace_core.config.tree import Tree


@dataclass(frozen=True, kw_only=True)
class Migration:
    """A named list of steps, and who has applied it when to how many runs."""

    name: str
    project: str
    steps: tuple[Tree, ...]            # see `config.migration`
    author: str = ""                   # user@host
    at: datetime | None = None         # when it was applied first
    runs: int = 0                      # how many it has rewritten; 0 after it was undone
    undone_at: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class Rewrite:
    """One run's scenario and config as a migration found them, and as it leaves them."""

    run: int
    old_scenario: Tree | None
    old_config: Tree | None
    scenario: Tree | None
    config: Tree | None


@dataclass(frozen=True, kw_only=True)
class Rewritten:
    """What a run had before a migration."""

    migration: str
    scenario: Tree | None
    config: Tree | None
