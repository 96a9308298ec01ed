"""A minimal `.dist-info`, so that a snapshot's entry points are found."""

from __future__ import annotations

import re
import sys
from collections.abc import Collection
from functools import lru_cache

from hyperspace_core.extension.discovery import Found, find
from hyperspace_core.markers import COMPONENTS_GROUP, PLUGINS_GROUP, PROJECTS_GROUP


def generated(distribution: str, tops: Collection[str]) -> dict[str, bytes]:
    """Path → content, for the distributions of the project and of `tops`."""
    return dict(_generated(distribution, frozenset(tops), tuple(sys.path)))


@lru_cache(maxsize=16)
def _generated(distribution: str, tops: frozenset[str], path: tuple[str, ...]) -> dict[str, bytes]:
    points = [found for group in (PROJECTS_GROUP, PLUGINS_GROUP, COMPONENTS_GROUP) for found in find(group)]
    taken = {found.distribution for found in points if found.module.partition(".")[0] in tops}
    files: dict[str, bytes] = {}
    for name in sorted(taken | {distribution}):
        its = [found for found in points if found.distribution == name]
        if its:
            files |= _dist_info(name, its)
    return files


def _dist_info(name: str, points: list[Found]) -> dict[str, bytes]:
    version = points[0].version or "0"
    folder = f"{_escaped(name)}-{_escaped(version)}.dist-info"
    lines: list[str] = []
    for group in sorted({found.group for found in points}):
        lines += [f"[{group}]", *(f"{one.name} = {one.value}" for one in points if one.group == group), ""]
    return {f"{folder}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n".encode(),
            f"{folder}/entry_points.txt": "\n".join(lines).encode()}


def _escaped(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9.!+]+", "_", text)
