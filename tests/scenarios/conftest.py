"""Fixtures of `support.parted`."""

from __future__ import annotations

from support.parted import began, drain, project

__all__ = ["began", "drain", "project"]
