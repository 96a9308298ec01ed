"""Fixtures of `support.openings`."""

from __future__ import annotations

from support.openings import garden, opened

__all__ = ["garden", "opened"]
