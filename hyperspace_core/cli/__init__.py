"""The command line: one module per command, imported when the command runs."""

from __future__ import annotations

from hyperspace_core.cli.root import build_cli

__all__ = ["build_cli"]
