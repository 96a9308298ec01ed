"""Short names for dotted paths."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable

from hyperspace_core.config.tree import CLASS_NAME


def shortest_names(paths: Iterable[str], taken: Collection[str] = ()) -> dict[str, str]:
    """Map each path to its shortest suffix that is unique and not in `taken`.

    A class gets the name of its section: `config.classifier.className` is `classifier` if unique.
    """
    steps = {path: _steps(path) for path in paths}
    length = dict.fromkeys(steps, 1)
    while True:
        names = {path: ".".join(parts[-length[path]:]) for path, parts in steps.items()}
        counts = Counter(names.values())
        unclear = [path for path, name in names.items()
                   if (counts[name] > 1 or name in taken) and length[path] < len(steps[path])]
        if not unclear:
            return _distinct(names)
        for path in unclear:
            length[path] += 1


def _steps(path: str) -> list[str]:
    steps = path.split(".")
    return steps[:-1] if steps[-1] == CLASS_NAME and len(steps) > 1 else steps


def _distinct(names: dict[str, str]) -> dict[str, str]:
    """Use the full path where a class and a value of one path share a name."""
    counts = Counter(names.values())
    apart = {path: path if counts[name] > 1 else name for path, name in names.items()}
    return apart if len(set(apart.values())) == len(apart) else {path: path for path in names}
