"""Fixtures of `support.jobs`."""

from __future__ import annotations

from support.jobs import fork_server, lab, runner, warm, workdir

__all__ = ["fork_server", "lab", "runner", "warm", "workdir"]
