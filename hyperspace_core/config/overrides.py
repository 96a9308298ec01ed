"""Read config overrides of a command line: `trees=200`, `model=Forest,Support`."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from hyperspace_core.config.grid import each, expand_grid, grid_size, iter_grid
from hyperspace_core.config.jsonfile import Syntax, parse_json
from hyperspace_core.config.tree import CLASS_NAME, EACH, Tree, copied, merge, shown
from hyperspace_core.errors import ConfigError, TaskError

__all__ = ["each", "expand_grid", "grid_size", "iter_grid", "parse_assignments", "parse_grid", "parse_value"]

_NOT_JSON = ("NaN", "Infinity", "-Infinity")
_OPENING, _CLOSING = "[{", "]}"


def parse_value(text: str) -> Any:
    """Parse a text as JSON, else return the text itself.

    Raises `ConfigError` for JSON that no config may hold: a key twice, `1e999`, integers beyond 64 bits.
    """
    stripped = text.strip()
    if not stripped or stripped in _NOT_JSON:
        return text
    try:
        return parse_json(stripped, "value")
    except Syntax:
        return text
    except TaskError as error:
        raise ConfigError(f"{stripped[:60]}: {str(error).splitlines()[0].partition(': ')[2]}") from None


def parse_assignments(texts: Iterable[str]) -> Tree:
    """`["model=Forest", "model.trees=200"]` → a config. Raises `ConfigError`."""
    return _tree(texts, parse_value)


def parse_grid(texts: Iterable[str]) -> Tree:
    """`["classifier=Forest,Support", "lr=[0.1, 0.2]"]` → a grid.

    A comma separates alternatives, but not inside brackets or quotes. A JSON list means alternatives where
    the parameter is not itself a list. `classifier.trees=50,100` applies to classifiers with `trees`.
    Raises `ConfigError`.
    """
    return _tree(texts, _alternatives)


def _alternatives(text: str) -> Any:
    whole = parse_value(text)
    parts = _split(text)
    if whole != text or len(parts) == 1:                   # JSON, or a single value
        return whole
    if not all(part.strip() for part in parts):
        raise ConfigError(f'{text}: an empty alternative; remove the extra comma, or write "" for no text')
    return each(*(parse_value(part.strip()) for part in parts))


def _split(text: str) -> list[str]:
    """Split a text at its commas, but not inside brackets or double quotes."""
    parts, depth, quoted, start = [], 0, False, 0
    for index, letter in enumerate(text):
        if letter == '"' and text[index - 1:index] != "\\":
            quoted = not quoted
        elif quoted:
            continue
        elif letter in _OPENING:
            depth += 1
        elif letter in _CLOSING:
            depth -= 1
        elif letter == "," and depth <= 0:
            parts.append(text[start:index])
            start = index + 1
    return [*parts, text[start:]]


def _tree(texts: Iterable[str], read: Callable[[str], Any]) -> Tree:
    assigned: dict[tuple[str, ...], Any] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        path = tuple(part.strip() for part in name.split("."))
        if not equals or not all(path):
            raise ConfigError(f"{text}: expected name=value, as in classifier.trees=200")
        if path in assigned:
            raise ConfigError(f"`{'.'.join(path)}`: given twice; keep one")
        try:
            assigned[path] = read(value)
        except ConfigError as error:
            raise ConfigError(f"`{'.'.join(path)}`: {error}") from None
    tree: Tree = {}
    # a section comes before the values in it, in any order of the arguments
    for path in sorted(assigned, key=len):
        _put(tree, path, assigned[path])
    return {path[0]: tree[path[0]] for path in assigned}   # the order of the command line


def _put(tree: Tree, path: tuple[str, ...], value: Any) -> None:
    *above, last = path
    for depth, key in enumerate(above, 1):
        if isinstance(tree.get(key), list) and path[depth].isdigit():
            change = copied(value)
            for step in reversed(path[depth - 1:]):        # an item of a list that was given earlier
                change = {step: change}
            tree[key] = merge({key: tree[key]}, change, path=".".join(path[:depth - 1]), in_grid=True)[key]
            return
        tree = _section(tree, key, ".".join(path[:depth]), ".".join(path))
    if isinstance(tree.get(last), dict) and isinstance(value, dict):
        tree[last] |= copied(value)
    else:
        tree[last] = copied(value)


def _section(tree: Tree, key: str, path: str, wanted: str) -> Tree:
    inner = tree.setdefault(key, {})
    if isinstance(inner, str):
        inner = tree[key] = {CLASS_NAME: inner}            # a component's bare name
    elif isinstance(inner, list):
        inner = tree[key] = {EACH: inner}
    if not isinstance(inner, dict):
        raise ConfigError(f"`{wanted}`: `{path}` is {shown(inner)} here and has nothing inside it")
    return inner
