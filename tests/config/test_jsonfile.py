from __future__ import annotations

import json
import math
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings, strategies as st

from hyperspace_core.config.jsonfile import parse_json, parse_object, read_json, read_object
from hyperspace_core.errors import TaskError

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


def refused(text: str) -> str:
    with pytest.raises(TaskError) as error:
        parse_json(text, "tasks/imdb.json")
    return str(error.value)


@settings(deadline=None)
@given(JSON, st.sampled_from([None, 1, "\t"]), st.booleans())
def test_output_of_json_dumps_is_read(value: Any, indent: Any, ascii_: bool) -> None:
    text = json.dumps(value, indent=indent, ensure_ascii=ascii_)
    assert json.dumps(parse_json(text, "x")) == json.dumps(value)


@settings(deadline=None)
@given(st.text('{}[]",:0123456789.eE+-truefalsn\\ \n'))
def test_any_text_is_read_like_json_does_or_refused(text: str) -> None:
    try:
        expected = json.loads(text)
    except ValueError:
        refused(text)
        return
    try:
        found = parse_json(text, "x")
    except TaskError as error:
        assert any(word in str(error) for word in ("twice", "too large", "not a JSON number", "nothing"))
        return
    assert json.dumps(found) == json.dumps(expected)


@pytest.mark.parametrize(
    ("text", "message", "line", "caret"),
    [
        ('{\n  "a": 1\n  "b": 2\n}', "3:3: expected ',' or '}'", '  "b": 2', 2),
        ('{"a": [1 2]}', "1:10: expected ',' or ']'", '{"a": [1 2]}', 9),
        ('{"a": 1,}', "1:8: a comma before '}'; remove it", '{"a": 1,}', 7),
        ("{'a': 1}", '1:2: expected a key in double quotes, found "\'"', "{'a': 1}", 1),
        ('{"a" 1}', "1:6: expected ':', found '1'", '{"a" 1}', 5),
        ('{"a": }', "1:7: expected a value, found '}'", '{"a": }', 6),
        ('{"a": True}', "1:7: expected a value, found True; strings need double quotes", '{"a": True}', 6),
        ('{"a": 1} x', "1:10: expected the end, found more text", '{"a": 1} x', 9),
        ('{"a": "x', "1:7: unterminated string starting", '{"a": "x', 6),
        ('{"a": 1', "1:8: expected ',' or '}', found the end", '{"a": 1', 7),
        ('{"a": 1\n\n', "1:8: expected ',' or '}', found the end", '{"a": 1', 7),
        ('{"a": "\t"}', "1:8: invalid control character", '{"a": " "}', 7),
        ('{"a": {"b": [NaN]}}', "1:14: `a.b.0`: NaN is not a JSON number", '{"a": {"b": [NaN]}}', 13),
        ('{"a": -Infinity}', "1:7: `a`: -Infinity is not a JSON number", '{"a": -Infinity}', 6),
        ('{"a": 1e999}', "1:7: `a`: 1e999 is too large for a float", '{"a": 1e999}', 6),
        (
            '{"seed": 9223372036854775808}',
            "1:10: `seed`: integer too large (limit 64 bit)",
            '{"seed": 9223372036854775808}',
            9,
        ),
        ('{"a": 1,\n "b": 2,\n "a": 3}', '3:2: key "a" twice, on lines 1 and 3; keep one', ' "a": 3}', 1),
    ],
)
def test_place_cause_and_caret(text: str, message: str, line: str, caret: int) -> None:
    assert refused(text) == f"tasks/imdb.json:{message}\n{line}\n{' ' * caret}^"


def test_an_integer_of_5000_digits() -> None:
    assert "`seed`: integer too large (limit 64 bit)" in refused('{"seed": ' + "9" * 5000 + "}")


def test_the_largest_and_smallest_integers() -> None:
    assert parse_json("[9223372036854775807, -9223372036854775808, -0, 1e3]", "x") == [
        2**63 - 1,
        -(2**63),
        0,
        1000.0,
    ]


def test_nesting_is_limited_long_before_the_interpreter_is() -> None:
    assert parse_json("[" * 64 + "]" * 64, "x") is not None
    for opening in ("[" * 65, '{"a":' * 65, "[" * 100_000):
        assert "nested deeper than 64 levels at" in refused(opening)
    assert "at a.a.a…" in refused('{"a":' * 65)


def test_a_long_line_is_shown_in_part() -> None:
    message = refused('{"a": [' + "1, " * 5000 + "x]}")
    _, line, caret = message.splitlines()
    assert len(line) <= 100
    assert line[caret.index("^")] == "x"


def test_an_empty_file_or_another_value_is_refused() -> None:
    assert refused("") == "tasks/imdb.json: expected an object, found nothing"
    assert refused(" \n ") == "tasks/imdb.json: expected an object, found nothing"
    for text, found in (
        ("[1]", "a list"),
        ('"x"', "a string"),
        ("3", "a number"),
        ("null", "null"),
        ("true", "true"),
    ):
        with pytest.raises(TaskError) as error:
            parse_object(text, "t.json")
        assert str(error.value) == f"t.json: expected an object, found {found}"


# -- files ----------------------------------------------------------------------------------------------


def test_files(tmp_path: Path) -> None:
    path = tmp_path / "t.json"
    path.write_bytes('{"ü": 1}'.encode("utf-8-sig"))
    assert read_json(path) == read_object(str(path)) == {"ü": 1}


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ('{"é": 1}'.encode("latin-1"), "not UTF-8 (byte 0xE9 at offset 2)"),
        ("{}".encode("utf-16"), "not UTF-8 (byte 0xFF at offset 0)"),
    ],
)
def test_other_encodings(data: bytes, message: str, tmp_path: Path) -> None:
    path = tmp_path / "t.json"
    path.write_bytes(data)
    with pytest.raises(TaskError) as error:
        read_json(path)
    assert str(error.value) == f"{path}: {message}"


def test_files_that_cannot_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for path, cause in (
        (tmp_path / "none.json", "no such file"),
        (tmp_path, "is a directory"),
        (Path("a\0b"), "embedded null byte"),
    ):
        with pytest.raises(TaskError) as error:
            read_json(path)
        assert str(error.value) == f"{path}: {cause}"
    locked = tmp_path / "locked.json"
    locked.write_text("{}")
    locked.chmod(0)
    if os.access(locked, os.R_OK):  # root reads everything: let the system call refuse

        def refuse(self: Path) -> bytes:
            raise PermissionError(13, "Permission denied")

        monkeypatch.setattr(Path, "read_bytes", refuse)
    with pytest.raises(TaskError, match="permission denied"):
        read_json(locked)


def test_floats_are_exact() -> None:
    assert parse_json("[0.1, -0.0]", "x") == [0.1, -0.0]
    assert math.copysign(1, parse_json("[-0.0]", "x")[0]) == -1
