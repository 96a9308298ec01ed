"""Fixtures of `support.worker_here`."""

from __future__ import annotations

from support.worker_here import claim_one, door, here, owner, project, start, store

__all__ = ["claim_one", "door", "here", "owner", "project", "start", "store"]
