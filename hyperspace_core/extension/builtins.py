"""Core's own plugins, as strings that are imported when a manager is built.

`module` is registered itself; `module:Class` is called with the `Extensions` that it becomes part of.
"""

from __future__ import annotations

BUILTINS = {
    "stages": "hyperspace_core.stages",
    "scenarios": "hyperspace_core.scenarios",
    "tuners": "hyperspace_core.tuners",
    "pruners": "hyperspace_core.pruners",
    "storage": "hyperspace_core.extension.storage",
    "seeds": "hyperspace_core.capture.seeds:Seeds",
    "fingerprint": "hyperspace_core.capture.fingerprint",
    "data": "hyperspace_core.capture.data",
    "git": "hyperspace_core.capture.git:GitCapture",
    "packages": "hyperspace_core.capture.packages:PackagesCapture",
    "python": "hyperspace_core.capture.python:PythonCapture",
    "host": "hyperspace_core.capture.host:HostCapture",
    "plugins": "hyperspace_core.capture.plugins:PluginsCapture",
}
