from __future__ import annotations

from hyperspace_mongodb.testing.fixtures import *  # noqa: F403 - fixtures are found by their names
