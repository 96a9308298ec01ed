"""Fixtures of `support.shell`."""

from __future__ import annotations

from support.shell import fresh_environment, here, shell

__all__ = ["fresh_environment", "here", "shell"]
