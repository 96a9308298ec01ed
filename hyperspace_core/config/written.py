"""Tell the leaves that a user wrote in a config from the defaults."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from hyperspace_core.config.tree import CLASS_NAME, MISSING, has_section, join, match_key


@dataclass(frozen=True)
class WrittenLeaf:
    """One leaf of a completed config, as `flatten` gives it."""

    path: str
    value: Any
    written: bool                  # by the user; else a default


def told_apart(completed: Mapping[str, Any], written: Mapping[str, Any]) -> tuple[WrittenLeaf, ...]:
    """The leaves of a completed config, each with whether the user wrote it."""
    return tuple(_leaves(completed, written, ""))


def _leaves(value: Any, given: Any, path: str) -> Iterator[WrittenLeaf]:
    if isinstance(value, Mapping) and (value or not path):
        if isinstance(given, str):                         # a component's bare name
            given = {CLASS_NAME: given}
        by_name = {match_key(key, value) or key: inner for key, inner in given.items()} \
            if isinstance(given, Mapping) else {}
        for key, inner in value.items():
            yield from _leaves(inner, by_name.get(key, MISSING), join(path, key))
    elif isinstance(value, list) and has_section(value):
        items = given if isinstance(given, list | tuple) else ()
        for index, inner in enumerate(value):
            item = items[index] if index < len(items) else MISSING
            yield from _leaves(inner, item, join(path, index))
    else:
        yield WrittenLeaf(path, value, given is not MISSING)


def written_part(completed: Any, written: Any) -> Any:
    """The user's part of a completed config, in its names, or `MISSING`.

    Sections keep their class, also where that is a default.
    """
    if written is MISSING:
        return MISSING
    if isinstance(completed, Mapping) and isinstance(written, Mapping):
        given = {match_key(key, completed) or key: inner for key, inner in written.items()}
        kept = {key: written_part(inner, given.get(key, MISSING)) for key, inner in completed.items()}
        if CLASS_NAME in completed:
            kept[CLASS_NAME] = completed[CLASS_NAME]
        return {key: inner for key, inner in kept.items() if inner is not MISSING}
    if isinstance(completed, Mapping) and isinstance(written, str):
        return completed.get(CLASS_NAME, written)          # a component's bare name
    if isinstance(completed, list) and isinstance(written, list | tuple) and len(completed) == len(written):
        return [written_part(inner, item) for inner, item in zip(completed, written, strict=True)]
    return completed
