"""A MongoDB-compatible server that pip installs, for tests and for trying out.

It is SecantusDB, a beta under the GPL: it lives in an environment of its own, runs as a process of its own,
and is neither imported nor needed by the store. Imports nothing heavy.
"""

from __future__ import annotations

from hyperspace_mongodb.testing.environment import SERVER, ServerNotInstalled, server_python
from hyperspace_mongodb.testing.server import Server

__all__ = ["SERVER", "Server", "ServerNotInstalled", "server_python"]
