"""Core's own plugins, as strings, so that nothing here is imported before a manager is built.

`module` is registered itself; `module:Class` is called with the `Extensions` that it becomes part of. The
last part of the module's name is the plugin's.
"""

from __future__ import annotations

BUILTINS = (
    "hyperspace_core.stages",
    "hyperspace_core.scenarios",
    "hyperspace_core.tuners",
    "hyperspace_core.pruners",
    "hyperspace_core.extension.storage",
    "hyperspace_core.capture.seeds:Seeds",
    "hyperspace_core.capture.fingerprint",
    "hyperspace_core.capture.data",
    "hyperspace_core.capture.git:GitCapture",
    "hyperspace_core.capture.packages",
    "hyperspace_core.capture.python",
    "hyperspace_core.capture.host",
    "hyperspace_core.capture.plugins:PluginsCapture",
)
