"""The command line: one file a command; what is heavy is imported when a command runs."""

from __future__ import annotations

from hyperspace_core.cli.root import build_cli

__all__ = ["build_cli"]
