"""A strict JSON parser for task and config files; errors show the place.

The standard parser silently keeps the last of two equal keys, reads `NaN`, turns `1e999` into infinity, and
cannot report the line of a key. This parser is for small files that people edit.
"""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass, field
from json import decoder
from pathlib import Path
from typing import Any

from hyperspace_core.config.tree import HIGHEST, LOWEST, MAX_DEPTH, Tree, Unquoted
from hyperspace_core.errors import ConfigError, TaskError

WIDTH = 100                    # characters of a long line that are shown

_SPACE = re.compile(r"[ \t\n\r]*")
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(\.[0-9]+)?([eE][-+]?[0-9]+)?")
_WORD = re.compile(r"-?[A-Za-z_][A-Za-z_0-9]*")
_WORDS = {"true": True, "false": False, "null": None}
_NOT_FINITE = ("NaN", "Infinity", "-Infinity")
_PYTHON_WORDS = {"True": True, "False": False, "None": None}
_PYTHON_NUMBER = re.compile(r"([+-])?(?=\.?\d)(0|[1-9]\d*)?(?:\.(\d*))?([eE][+-]?\d+)?", re.ASCII)
_HUGE = re.compile(r"-?[1-9]\d{18,399}", re.ASCII)


class Syntax(TaskError):
    """Text that is not JSON, as opposed to JSON that is not allowed here."""


def read_json(path: str | Path) -> Any:
    """Read the value in a JSON file (UTF-8, with or without a byte order mark).

    Raises `TaskError`: `file:line:column: cause` with the line and a caret.
    """
    return parse_json(_text_of(Path(path)), str(path))


def read_object(path: str | Path) -> Tree:
    """Read a file that must hold an object; raises like `read_json`."""
    return _as_object(read_json(path), str(path))


def parse_json(text: str, where: str) -> Any:
    """Parse a JSON text; `where` names its file or option. Raises `TaskError`."""
    text = text.removeprefix("\ufeff")
    if not text.strip():
        raise Syntax(f"{where}: expected an object, found nothing")
    return _Parser(text, where).document()


def parse_object(text: str, where: str) -> Tree:
    """Parse a text that must hold an object; raises like `parse_json`."""
    return _as_object(parse_json(text, where), where)


def parse_value(text: str) -> Any:
    """Parse a text as JSON, else return the text itself; a number, true, false and null as `Unquoted`.

    Also as Python writes them: `True`, `False`, `None`, `.5`, `+5`. Raises `ConfigError` for JSON that no
    config may hold: a key twice, `1e999`.
    """
    stripped = text.strip()
    if not stripped or stripped in _NOT_FINITE:
        return text
    if stripped in _PYTHON_WORDS:
        return Unquoted(stripped, _PYTHON_WORDS[stripped])
    if _HUGE.fullmatch(stripped):                          # completion refuses it, unless it is a text
        return Unquoted(stripped, int(stripped))
    try:
        value = parse_json(_json_number(stripped), "value")
    except Syntax:
        return text
    except TaskError as error:
        raise ConfigError(f"{stripped[:60]}: {str(error).splitlines()[0].partition(': ')[2]}") from None
    return value if isinstance(value, str | list | dict) else Unquoted(stripped, value)


def _json_number(text: str) -> str:
    """`.5`, `5.` and `+5` as JSON writes them; other texts unchanged."""
    number = _PYTHON_NUMBER.fullmatch(text)
    if number is None:
        return text
    sign, whole, fraction, exponent = number.groups(default="")
    return f"{sign.strip('+')}{whole or 0}{'.' + (fraction or '0') if '.' in text else ''}{exponent}"


def _as_object(value: Any, where: str) -> Tree:
    if not isinstance(value, dict):
        raise TaskError(f"{where}: expected an object, found {_named(value)}")
    return value


def _named(value: Any) -> str:
    if value is None or isinstance(value, bool):
        return json.dumps(value)
    return {"list": "a list", "str": "a string"}.get(type(value).__name__, "a number")


def _text_of(path: Path) -> str:
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise TaskError(f"{path}: no such file") from None
    except (IsADirectoryError, PermissionError) as error:
        raise TaskError(f"{path}: {str(error.strerror).lower()}") from None
    except (OSError, ValueError) as error:
        raise TaskError(f"{path}: {getattr(error, 'strerror', None) or error}") from None
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        place = f"byte 0x{data[error.start]:02X} at offset {error.start}"
        raise TaskError(f"{path}: not UTF-8 ({place})") from None


@dataclass
class _Parser:
    """Recursive descent with a depth limit below the interpreter's own."""

    text: str
    where: str
    keys: list[str] = field(default_factory=list)      # the path of the current value

    def document(self) -> Any:
        value, at = self.value(self.skip(0))
        at = self.skip(at)
        if at < len(self.text):
            raise self.error(at, "expected the end, found more text")
        return value

    def value(self, at: int) -> tuple[Any, int]:
        start = self.text[at:at + 1]
        if start in ("{", "["):
            if len(self.keys) >= MAX_DEPTH:
                raise self.error(at, f"nested deeper than {MAX_DEPTH} levels at {'.'.join(self.keys[:3])}…",
                                 TaskError)
            return self.object(at + 1) if start == "{" else self.array(at + 1)
        if start == '"':
            return self.string(at)
        word = _WORD.match(self.text, at)
        if word:
            return self.word(word[0], at)
        number = _NUMBER.match(self.text, at)
        if number:
            return self.number(number, at), number.end()
        raise self.error(at, f"expected a value, found {self.found(at)}")

    def object(self, at: int) -> tuple[Tree, int]:
        tree: Tree = {}
        places: dict[str, int] = {}
        at = self.skip(at)
        if self.text[at:at + 1] == "}":
            return tree, at + 1
        while True:
            place = at
            if self.text[at:at + 1] != '"':
                raise self.error(at, f"expected a key in double quotes, found {self.found(at)}")
            key, at = self.string(at)
            if key in places:
                lines = f"on lines {self.line(places[key])} and {self.line(place)}"
                raise self.error(place, f'key "{key}" twice, {lines}; keep one', TaskError)
            places[key] = place
            at = self.skip(at)
            if self.text[at:at + 1] != ":":
                raise self.error(at, f"expected ':', found {self.found(at)}")
            self.keys.append(key)
            tree[key], at = self.value(self.skip(at + 1))
            self.keys.pop()
            at, more = self.next(at, "}")
            if not more:
                return tree, at

    def array(self, at: int) -> tuple[list[Any], int]:
        items: list[Any] = []
        at = self.skip(at)
        if self.text[at:at + 1] == "]":
            return items, at + 1
        while True:
            self.keys.append(str(len(items)))
            item, at = self.value(at)
            self.keys.pop()
            items.append(item)
            at, more = self.next(at, "]")
            if not more:
                return items, at

    def next(self, at: int, end: str) -> tuple[int, bool]:
        """After an item: the start of the next one, or the end of the container."""
        at = self.skip(at)
        mark = self.text[at:at + 1]
        if mark == end:
            return at + 1, False
        if mark != ",":
            found = "" if mark else ", found the end"
            raise self.error(at, f"expected ',' or '{end}'{found}")
        following = self.skip(at + 1)
        if self.text[following:following + 1] == end:
            raise self.error(at, f"a comma before '{end}'; remove it")
        return following, True

    def string(self, at: int) -> tuple[str, int]:
        try:
            value, end = decoder.scanstring(self.text, at + 1, True)  # type: ignore[attr-defined]
        except json.JSONDecodeError as error:
            raise self.error(error.pos, error.msg[:1].lower() + error.msg[1:].removesuffix(" at")) from None
        return value, end

    def word(self, word: str, at: int) -> tuple[Any, int]:
        if word in _WORDS:
            return _WORDS[word], at + len(word)
        if word in _NOT_FINITE:
            raise self.error(at, f"{self.path()}{word} is not a JSON number", TaskError)
        raise self.error(at, f"expected a value, found {word[:20]}; strings need double quotes")

    def number(self, found: re.Match[str], at: int) -> int | float:
        if found[1] is None and found[2] is None:
            # 64 bits are 19 digits: longer texts are not converted
            value = int(found[0]) if len(found[0]) <= 20 else HIGHEST + 1
            if not LOWEST <= value <= HIGHEST:
                raise self.error(at, f"{self.path()}integer too large (limit 64 bit)", TaskError)
            return value
        number = float(found[0])
        if not math.isfinite(number):
            raise self.error(at, f"{self.path()}{found[0][:20]} is too large for a float", TaskError)
        return number

    def skip(self, at: int) -> int:
        space = _SPACE.match(self.text, at)
        return space.end() if space else at

    def found(self, at: int) -> str:
        return repr(self.text[at]) if at < len(self.text) else "the end"

    def path(self) -> str:
        return f"`{'.'.join(self.keys)}`: " if self.keys else ""

    def line(self, at: int) -> int:
        return self.text.count("\n", 0, at) + 1

    def error(self, at: int, cause: str, kind: type[TaskError] = Syntax) -> TaskError:
        """`where:line:column: cause`, the line, and a caret below the place."""
        at = min(at, len(self.text.rstrip("\r\n")))       # never on an empty last line
        start = self.text.rfind("\n", 0, at) + 1
        end = self.text.find("\n", at)
        line = self.text[start:end if end >= 0 else len(self.text)].rstrip("\r")
        column = at - start
        shift = max(0, column - WIDTH // 2)
        shown = "".join(c if c.isprintable() else " " for c in line[shift:shift + WIDTH])
        return kind(f"{self.where}:{self.line(at)}:{column + 1}: {cause}\n{shown}\n{' ' * (column - shift)}^")
