"""The pluggy markers and the entry-point groups for projects and plugins."""

from __future__ import annotations

import pluggy

PROJECT_NAME = "hyperspace"

PROJECTS_GROUP = "hyperspace.projects"
PLUGINS_GROUP = "hyperspace.plugins"
COMPONENTS_GROUP = "hyperspace.components"

hookspec = pluggy.HookspecMarker(PROJECT_NAME)
hookimpl = pluggy.HookimplMarker(PROJECT_NAME)
