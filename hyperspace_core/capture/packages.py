"""The installed distributions and their versions."""

from __future__ import annotations

import re
import sys
from functools import cache
from typing import Any

from hyperspace_core.markers import hookimpl
from hyperspace_core.sink import Absent, Section

_EDITABLE = re.compile(r'"editable":\s*true')           # some installers omit the blank
_HEADER_LINES = 40             # Name and Version are at the top; a long description may follow


class PackagesCapture:
    """The provenance section `packages`."""

    def __init__(self, _extensions: object = None) -> None:
        pass

    @hookimpl
    def hyperspace_capture(self) -> Section | Absent:
        installed, editable = _installed(tuple(sys.path))
        if not installed:
            return Absent("packages", "no installed distribution was found")
        return Section("packages", {"installed": dict(installed), "editable": list(editable)})

    def prepare(self) -> None:
        _installed(tuple(sys.path))


@cache
def _installed(path: tuple[str, ...]) -> tuple[dict[str, str], tuple[str, ...]]:
    """Name → version, sorted by name, and the names of the editable installs.

    Cached for the life of the process, as these are the versions that it imports.
    """
    from importlib_metadata import distributions

    found: dict[str, str] = {}
    editable = set()
    for distribution in distributions(path=list(path)):
        name, version = _name_and_version(distribution)
        if name and name not in found:             # Python imports the first one on the path
            found[name] = version
            if _EDITABLE.search(distribution.read_text("direct_url.json") or ""):
                editable.add(name)
    ordered = {name: found[name] for name in sorted(found, key=str.casefold)}
    return ordered, tuple(name for name in ordered if name in editable)


def _name_and_version(distribution: Any) -> tuple[str, str]:
    """Name and version from the top of the metadata, which is fast."""
    text = distribution.read_text("METADATA") or distribution.read_text("PKG-INFO") or ""
    header = text.partition("\n\n")[0].split("\n", _HEADER_LINES)[:_HEADER_LINES]
    fields = dict(line.partition(": ")[::2] for line in header)
    return fields.get("Name", "").strip(), fields.get("Version", "").strip()


def top_level_names(distribution: str) -> frozenset[str]:
    """The packages and modules of a distribution; empty if not installed."""
    from importlib_metadata import PackageNotFoundError, files

    try:
        listed = files(distribution) or ()
    except (PackageNotFoundError, ValueError):
        return frozenset()
    return frozenset(file.parts[0].partition(".")[0] for file in listed)
