"""Find the line of a docstring that describes one parameter."""

from __future__ import annotations

import inspect
import re
from typing import Any


def help_of(target: Any, name: str) -> str:
    """The text on `name` in the docstring of a class or function; else empty.

    A class's constructor is read, too. Reads `:param name: text`, `name: text`, `name (type): text` and
    numpydoc's `name : type` with the text below.
    """
    docs = [inspect.getdoc(target) or ""]
    if isinstance(target, type) and "__init__" in vars(target):
        docs.append(inspect.getdoc(vars(target)["__init__"]) or "")
    for doc in docs:
        text = _described(doc, re.escape(name))
        if text:
            return text
    return ""


def _described(doc: str, name: str) -> str:
    numpydoc = re.search(rf"^{name} : .*\n((?:[ \t]+\S.*\n?)+)", doc, re.MULTILINE)
    if numpydoc:
        return _first_sentence(numpydoc[1])
    line = re.search(rf"^[ \t]*(?::param[ \t]+(?:[\w\[\], |.]+[ \t]+)?|:)?`{{0,2}}{name}`{{0,2}}"
                     r"(?:[ \t]*\([^)\n]*\))?:[ \t]+(\S.*)$", doc, re.MULTILINE)
    return line[1].strip() if line else ""


def _first_sentence(text: str) -> str:
    joined = " ".join(text.split())
    return re.split(r"(?<=\.)\s", joined, maxsplit=1)[0]
