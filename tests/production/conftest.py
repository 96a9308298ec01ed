"""Fixtures of `support.studio`."""

from __future__ import annotations

from support.studio import model, project, run

__all__ = ["model", "project", "run"]
