"""What a run notes of a part that is finished, so that another attempt need not do it again.

It stands in `info` under `part/NAME`, of a part within a part under `OUTER/part/NAME`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hyperspace_core.config.tree import Tree

NOTED = "part/"                # before the name of a part, as a key of `info`
MADE_OF = "made_of"            # in the note: digest of the code, the config, the scenario and the seed


def parts_of(info: Mapping[str, Any]) -> Tree:
    """The notes of finished parts in a run's `info`."""
    return {key: value for key, value in info.items()
            if (key.startswith(NOTED) or f"/{NOTED}" in key) and isinstance(value, dict)}


def made_of(digest: str, notes: Mapping[str, Any]) -> Tree:
    """Those of the notes that were made by the same code with the same config."""
    return {key: note for key, note in notes.items() if note.get(MADE_OF) == digest}


def within(name: str, notes: Mapping[str, Any]) -> Tree:
    """The notes of the parts of a part, as it names them itself."""
    return {key.removeprefix(f"{name}/"): note for key, note in notes.items() if key.startswith(f"{name}/")}
