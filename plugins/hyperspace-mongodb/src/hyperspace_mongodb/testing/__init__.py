"""A MongoDB-compatible server from pip, for tests and trials.

It is SecantusDB, a beta under the GPL: it has its own environment, runs as a separate process, and is neither
imported nor needed by the store. Keep imports light.
"""

from __future__ import annotations

from hyperspace_mongodb.testing.environment import SERVER, ServerNotInstalled, server_python
from hyperspace_mongodb.testing.server import Server

__all__ = ["SERVER", "Server", "ServerNotInstalled", "server_python"]
