"""The parameters of a class or scenario on a page: a line each."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from hyperspace_core.cli.page import Page
from hyperspace_core.config.describing import Described, range_text
from hyperspace_core.results.words import value_text


def show_parameters(page: Page, parameters: Iterable[Described], *, indent: int = 2) -> None:
    """Name, type, default, what may be chosen, help."""
    shown = list(parameters)
    names = [one.name for one in shown]
    rows = [[one.name, one.type, _default(one, names), _choice(one), one.help] for one in shown]
    if rows:
        page.rows(rows, indent=indent)
    else:
        page.line(("no parameters", "quiet"), indent=indent)


def summary_of(target: Any) -> str:
    """What a class's or function's docstring says first, on one line; a dataclass without one has none."""
    from inspect import cleandoc

    doc = target.__doc__ or ""
    if hasattr(target, "__dataclass_fields__") and doc.startswith(f"{target.__name__}("):
        return ""                          # Python's own: the signature again
    return " ".join(cleandoc(doc).partition("\n\n")[0].split())


def _default(parameter: Described, names: Iterable[str]) -> str:
    if parameter.required:
        return "required"
    if isinstance(parameter.default, dict) and any(name.startswith(f"{parameter.name}.") for name in names):
        return "defaults below"            # a line for each of its fields follows
    return f"default {value_text(parameter.default)}"


def _choice(parameter: Described) -> str:
    if parameter.range is not None:
        return range_text(parameter.range)
    return f"one of {', '.join(parameter.choices)}" if parameter.choices else ""
