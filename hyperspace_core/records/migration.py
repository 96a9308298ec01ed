"""Migrations: named changes that adapt configs of runs to the current code.

A migration is applied to stored runs one by one. It can be undone: the scenario and config from before are
kept. The config that the user submitted (`submitted`) is never changed.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from hyperspace_core.config.tree import Tree


@dataclass(frozen=True, kw_only=True)
class Migration:
    """A named list of steps, with author, time and number of rewritten runs."""

    name: str
    project: str
    steps: tuple[Tree, ...]            # see `config.migration`
    author: str = ""                   # user@host
    at: datetime | None = None         # when it was first applied
    runs: int = 0                      # number of rewritten runs; 0 after it was undone
    undone_at: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class Rewrite:
    """One run's scenario and config before and after a migration."""

    run: int
    old_scenario: Tree | None
    old_config: Tree | None
    scenario: Tree | None
    config: Tree | None


@dataclass(frozen=True, kw_only=True)
class Rewritten:
    """A run's scenario and config from before a migration."""

    migration: str
    scenario: Tree | None
    config: Tree | None
