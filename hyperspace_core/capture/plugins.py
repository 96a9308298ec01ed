"""The framework's version and the active plugins, in their order."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

from hyperspace_core.markers import hookimpl
from hyperspace_core.sink import Section

if TYPE_CHECKING:
    from hyperspace_core.extension.manager import Extensions, Loaded


class PluginsCapture:
    """The section `plugins`; not cached, as a plugin may be disabled anytime."""

    def __init__(self, extensions: Extensions) -> None:
        self._extensions = extensions

    @hookimpl
    def hyperspace_capture(self) -> Section:
        project = self._extensions.project
        return Section("plugins", {
            "hyperspace": _version(),
            "project": None if project is None else _shown(project),
            "loaded": [_shown(plugin) for plugin in self._extensions.loaded],
            "disabled": list(self._extensions.disabled),
            "broken": [str(broken) for broken in self._extensions.broken],
        })

    def prepare(self) -> None:
        _version()


@cache
def _version() -> str:
    from hyperspace_core.extension.discovery import core_version

    return core_version()


def _shown(plugin: Loaded) -> dict[str, Any]:
    return {"name": plugin.name, "distribution": plugin.distribution, "version": plugin.version,
            "file": plugin.file}
