"""The section on the Python interpreter."""

from __future__ import annotations

import copy
import os
import platform
import sys
from functools import cache
from typing import Any

from hyperspace_core.markers import hookimpl
from hyperspace_core.sink import Section


class PythonCapture:
    """The provenance section `python`."""

    def __init__(self, _extensions: object = None) -> None:
        pass

    @hookimpl
    def hyperspace_capture(self) -> Section:
        return Section("python", copy.deepcopy(_interpreter()))

    def prepare(self) -> None:
        _interpreter()


@cache
def _interpreter() -> dict[str, Any]:
    return {
        "version": platform.python_version(),
        "implementation": platform.python_implementation(),
        "build": " ".join(platform.python_build()),
        "compiler": platform.python_compiler(),
        "executable": sys.executable,
        "prefix": sys.prefix,
        "optimize": sys.flags.optimize,
        # without it, the order of sets of strings differs from run to run
        "hash_seed": os.environ.get("PYTHONHASHSEED") or ("random" if sys.flags.hash_randomization else "0"),
    }
