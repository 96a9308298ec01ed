"""The fixtures of core's tests of commands."""

from __future__ import annotations

from support.commands import growing, project_name, typed, url

__all__ = ["growing", "project_name", "typed", "url"]
