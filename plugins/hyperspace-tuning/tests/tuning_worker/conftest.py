"""The fixtures of core's tests of a worker, and a search."""

from __future__ import annotations

from proposed_runs import tune
from support.worker_here import claim_one, door, here, owner, project, start, store

__all__ = ["claim_one", "door", "here", "owner", "project", "start", "store", "tune"]
