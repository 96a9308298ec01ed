"""The fixtures of core's tests of a worker."""

from __future__ import annotations

from worker.conftest import claim_one, door, here, owner, project, start, store  # noqa: F401 - fixtures
