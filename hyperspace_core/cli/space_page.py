"""A search space on a page: a tree of ranges, defaults and their sources."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from hyperspace_core.cli.terminal import Page
from hyperspace_core.config.outline import Outline
from hyperspace_core.config.searchspace import Space
from hyperspace_core.config.spacejson import space_tree
from hyperspace_core.config.tree import CLASS_NAME, MISSING
from hyperspace_core.results.format import value_text


def show_space(page: Page, space: Space) -> None:
    """Write one line per parameter, the parameters of a class below it."""
    page.heading("Space", summary_of(space))
    page.rows(_rows(space.describe(), 0))
    if space.left_out:
        page.heading("Left out")
        page.rows([(one.path.removesuffix(f".{CLASS_NAME}"), one.name, one.reason)
                   for one in space.left_out])


def summary_of(space: Space) -> str:
    """`6 parameters searched, 2 held fast, 1 class left out`."""
    fast = sum(1 for line in _every(space.describe()) if line.source and not line.searched)
    searched, out = len(space.dimensions), len(space.left_out)
    texts = [f"{searched} parameter{'' if searched == 1 else 's'} searched"]
    texts += [f"{fast} held fast"] if fast else []
    texts += [f"{out} class{'' if out == 1 else 'es'} left out"] if out else []
    return ", ".join(texts)


def plain_outline(lines: Sequence[Outline]) -> list[dict[str, Any]]:
    """The tree as JSON values; ranges are written as `space=` takes them."""
    found = []
    for line in lines:
        one: dict[str, Any] = {"name": line.name, "path": line.path, "searched": line.searched}
        one |= {} if line.range is None else {"range": space_tree(line.range), "text": line.text}
        one |= {name: value for name, value in (("default", line.default), ("value", line.value))
                if value is not MISSING}
        one |= {"source": line.source} if line.source else {}
        found.append(one | {"children": plain_outline(line.children)})
    return found


def _rows(lines: Sequence[Outline], depth: int) -> Iterator[tuple[str, str, str, str]]:
    for line in lines:
        what = line.text if line.value is MISSING else f"held fast at {value_text(line.value)}"
        default = "" if line.default is MISSING else f"default {value_text(line.default)}"
        yield (f"{'  ' * depth}{line.name}", what, default, line.source)
        yield from _rows(line.children, depth + 1)


def _every(lines: Sequence[Outline]) -> Iterator[Outline]:
    for line in lines:
        yield line
        yield from _every(line.children)
