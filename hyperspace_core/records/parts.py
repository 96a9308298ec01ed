"""Notes about the finished parts of a run, so that another attempt can skip them.

A note is stored in `info` under `part/NAME`; for a part within a part, under `OUTER/part/NAME`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hyperspace_core.config.tree import Tree

NOTED = "part/"                # prefix of a part's name, as a key of `info`
MADE_OF = "made_of"            # key in the note: digest of the code, the config, the scenario and the seed


def parts_of(info: Mapping[str, Any]) -> Tree:
    """The notes of finished parts in a run's `info`."""
    return {key: value for key, value in info.items()
            if (key.startswith(NOTED) or f"/{NOTED}" in key) and isinstance(value, dict)}


def made_of(digest: str, notes: Mapping[str, Any]) -> Tree:
    """The notes that were made by the same code with the same config."""
    return {key: note for key, note in notes.items() if note.get(MADE_OF) == digest}


def within(name: str, notes: Mapping[str, Any]) -> Tree:
    """The notes of the parts within a part, without the outer part's prefix."""
    return {key.removeprefix(f"{name}/"): note for key, note in notes.items() if key.startswith(f"{name}/")}
