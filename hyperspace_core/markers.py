"""The two pluggy markers and the entry-point groups: all that a project or plugin must import to join in."""

from __future__ import annotations

import pluggy

PROJECT_NAME = "hyperspace"

PROJECTS_GROUP = "hyperspace.projects"
PLUGINS_GROUP = "hyperspace.plugins"
COMPONENTS_GROUP = "hyperspace.components"

hookspec = pluggy.HookspecMarker(PROJECT_NAME)
hookimpl = pluggy.HookimplMarker(PROJECT_NAME)
