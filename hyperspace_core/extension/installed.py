"""The entry points of the installed distributions, read again only from folders that have changed.

A process asks for them many times, and `importlib_metadata.entry_points` reads the files of all distributions
each time: 20 ms for a hundred of them.
"""

from __future__ import annotations

import sys
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from hyperspace_core.markers import PROJECT_NAME


class InstalledPoint(NamedTuple):
    """An entry point and its distribution; nothing is imported."""

    group: str
    name: str
    value: str                     # "package.module" or "package.module:object"
    distribution: str
    version: str


def entry_points() -> tuple[InstalledPoint, ...]:
    """Those of all groups `hyperspace.…`; of two distributions of one name, the first on the path counts."""
    folders = dict.fromkeys(Path(place) for place in sys.path if isinstance(place, str))
    return _found(tuple((folder, _state(folder)) for folder in folders))


def _state(folder: Path) -> tuple[object, ...]:
    """What changes when a distribution is installed, removed or edited there; `()` without any."""
    own = _times(folder)
    return own and (own, *(_times(file) for file in _files(folder, own)))


@lru_cache(maxsize=256)
def _files(folder: Path, own: tuple[int, ...]) -> list[Path]:
    """Where its distributions have, or may get, their entry points."""
    try:
        infos = [one for one in folder.iterdir() if one.name.lower().endswith((".dist-info", "egg-info"))]
    except OSError:                                # a zip file
        return []
    return [one / "entry_points.txt" for one in infos]


def _times(path: Path) -> tuple[int, ...]:
    try:
        state = path.stat()
    except OSError:
        return ()
    return state.st_mtime_ns, state.st_size, state.st_nlink, state.st_ino


@lru_cache(maxsize=16)
def _found(folders: tuple[tuple[Path, tuple[object, ...]], ...]) -> tuple[InstalledPoint, ...]:
    seen: set[str] = set()
    found: list[InstalledPoint] = []
    for folder, state in folders:
        for name, text, points in _in_folder(folder, state):
            if name not in seen and _is_first(name, text):
                seen.add(name)
                found += points
    return tuple(found)


@lru_cache(maxsize=256)
def _in_folder(folder: Path, state: tuple[object, ...]) -> list[tuple[str, str, list[InstalledPoint]]]:
    """The distributions with entry points of hyperspace: name, the text of the file, and the points."""
    if not state:
        return []
    from importlib_metadata import distributions

    found = []
    for one in distributions(path=[str(folder)]):
        text = one.read_text("entry_points.txt") or ""
        if PROJECT_NAME in text:
            described = one.metadata
            name, version = described["Name"], described["Version"]
            points = [InstalledPoint(point.group, point.name, point.value, name, version)
                      for point in one.entry_points if point.group.startswith(f"{PROJECT_NAME}.")]
            found.append((name, text, points))
    return found


def _is_first(name: str, text: str) -> bool:
    """No other distribution of that name comes before it on the path."""
    from importlib_metadata import PackageNotFoundError, distribution

    try:
        return distribution(name).read_text("entry_points.txt") == text
    except PackageNotFoundError:
        return False
