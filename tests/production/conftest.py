"""Fixtures of `support.studio` and `support.world`."""

from __future__ import annotations

from support.studio import model, project, run
from support.world import world

__all__ = ["model", "project", "run", "world"]
