"""Fixtures of `support.learners`."""

from __future__ import annotations

from support.learners import drain, project

__all__ = ["drain", "project"]
