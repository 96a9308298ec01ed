"""A config tree on a page: one line per parameter, with defaults marked."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from hyperspace_core.cli.page import Page
from hyperspace_core.config.tree import CLASS_NAME, flatten
from hyperspace_core.config.written import WrittenLeaf, told_apart


def show_config(page: Page, completed: Mapping[str, Any], written: Mapping[str, Any]) -> None:
    """Write the completed tree; values that are not in `written` are marked."""
    show_leaves(page, told_apart(completed, written))


def show_tree(page: Page, tree: Mapping[str, Any]) -> None:
    """Write a tree without marking defaults."""
    show_leaves(page, (WrittenLeaf(path, value, True) for path, value in flatten(tree).items()))


def show_leaves(page: Page, leaves: Iterable[WrittenLeaf]) -> None:
    """Write leaves; a section starts with its class, as in `classifier: Forest`."""
    above: list[str] = []              # the path of the last line
    for leaf in leaves:
        steps = leaf.path.split(".")
        if steps[-1] == CLASS_NAME and len(steps) > 1:
            steps.pop()
        for depth in range(len(steps) - 1):
            if steps[:depth + 1] != above[:depth + 1]:
                page.line(f"{steps[depth]}:", indent=2 + 2 * depth)
        above = steps
        mark = ("", "") if leaf.written else ("(default)", "quiet")
        page.line(f"{steps[-1]}: {exact(leaf.value)}", mark, indent=2 * len(steps))


def exact(value: Any) -> str:
    """A value as the command line takes it: JSON, or text without quotes."""
    if isinstance(value, str) and value and value == value.strip() and not _reads_as_json(value):
        return value
    return json.dumps(value, ensure_ascii=False, default=str)


def _reads_as_json(text: str) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return False
    return True
