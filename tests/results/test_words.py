"""Formatting of values: text, aligned columns, JSON; safe for terminals."""

from __future__ import annotations

import json
import math
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, strategies as st

from hyperspace_core.records.logged import Progress
from hyperspace_core.records.run import Attempt
from hyperspace_core.records.states import Outcome, State
from hyperspace_core.results.format import (
    ago,
    align_columns,
    brief,
    byte_count,
    cut,
    fitting,
    harmless,
    is_numeric,
    number,
    one_line,
    seconds,
    to_json,
    value_text,
    width,
)
from hyperspace_core.results.overview import progress_bar, progress_text
from support.records import NOON, completed

# -- harmless ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("stored", "shown"), [
    ("plain text, ümläut, 漢字, 🙂", "plain text, ümläut, 漢字, 🙂"),
    ("two\nlines\tand a tab", "two\nlines\tand a tab"),
    ("\x1b[31mred\x1b[0m", "red"),
    ("erased\x1b[K", "erased"),
    ("\x1b[2J", "\\x1b[2J"),
    ("\x1b]0;title\x07", "\\x1b]0;title\\x07"),
    ("\x1b\x1b[m[2J", "\\x1b[2J"),
    ("bell\x07 back\x08 return\r", "bell\\x07 back\\x08 return\\x0d"),
    ("\x9b31m", "\\x9b31m"),
    ("\x7f", "\\x7f"),
    ("abc\u202egnp.exe", "abc\\u202egnp.exe"),
    ("\u2066x\u2069\u2028", "\\u2066x\\u2069\\u2028"),
    ("half \ud800", "half \\ud800"),
    ("nul\0", "nul\\x00"),
])
def test_control_characters_are_escaped(stored: str, shown: str) -> None:
    assert harmless(stored) == shown


@given(st.text(st.characters(codec=None) | st.sampled_from("\x1b[mK0;\x9b\r\n")))
def test_any_text_is_safe_for_a_terminal(text: str) -> None:
    for shown in (harmless(text), one_line(text), value_text(text), brief({text: text}), value_text([text])):
        assert not any(letter < " " or "\x7f" <= letter < "\xa0" for letter in set(shown) - {"\n", "\t"})
        assert shown.encode().decode() == shown
    assert "\n" not in one_line(text) + value_text({"a": [text]}) + brief({text: text})


@pytest.mark.parametrize(("text", "limit", "line"), [
    ("a\nb\tc", None, "a⏎b c"), ("abcdef", 6, "abcdef"), ("abcdefg", 6, "abcde…"), ("ab", 1, "…"),
    ("", 3, ""),
])
def test_one_line_respects_the_length_limit(text: str, limit: int | None, line: str) -> None:
    assert one_line(text, limit) == line


# -- words ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("value", "word"), [
    (None, ""), (3, "3"), (0.1 + 0.2, "0.3"), (1e-9, "1e-09"), (123456789.0, "1.23457e+08"), (2.0, "2"),
    (math.nan, "nan"), (-math.inf, "-inf"), (-0.0, "-0"), (2**63, str(2**63)),
])
def test_numbers_have_six_significant_digits(value: float | None, word: str) -> None:
    assert number(value) == word


@pytest.mark.parametrize(("value", "word"), [
    (None, ""), (0, "0.0s"), (0.84, "0.8s"), (9.94, "9.9s"), (9.96, "10s"), (42.4, "42s"), (60, "1 min"),
    (190, "3 min 10 s"), (3600, "1 h"), (7500, "2 h 5 min"), (86400, "1 d"), (273600, "3 d 4 h"),
    (-5, "0.0s"),
    (math.inf, ""), (math.nan, ""),
])
def test_durations_have_at_most_two_units(value: float | None, word: str) -> None:
    assert seconds(value) == word


def test_a_time_is_shown_by_its_age() -> None:
    assert ago(NOON, NOON + timedelta(minutes=3, seconds=10)) == "3 min 10 s ago"
    assert ago(NOON, NOON - timedelta(hours=1)) == "0.0s ago"
    assert ago(None, NOON) == ""


@pytest.mark.parametrize(("count", "word"), [
    (None, ""), (0, "0 B"), (999, "999 B"), (3_400_000, "3.4 MB"), (10**13, "10000.0 GB"),
])
def test_byte_counts_have_units(count: int | None, word: str) -> None:
    assert byte_count(count) == word


@pytest.mark.parametrize(("value", "word"), [
    (0.5, "0.5"), (True, "true"), (None, "null"), ("text", "text"), ([1, "a"], '[1, "a"]'), ("a\nb", "a⏎b"),
    ({"className": "Forest", "trees": 5}, "Forest(trees=5)"), ({"a": 1, "b": "x"}, "a=1 b=x"),
    ({"className": "Linear"}, "Linear"),
])
def test_a_value_is_one_short_line(value: Any, word: str) -> None:
    assert value_text(value) == word


def test_a_config_is_one_line() -> None:
    config = {"classifier": {"className": "Forest", "trees": 200}, "scaler": {"className": "Standard"},
              "layers": [1, {"className": "Dense", "units": 2}], "note": " x", "raw": {"a": {}}, "none": None}

    assert brief(config) == ("classifier=Forest(trees=200) scaler=Standard layers=[1, Dense(units=2)] "
                             'note=" x" raw={a={}} none=null')


@pytest.mark.parametrize(("progress", "words", "drawn"), [
    (Progress(done=5, total=8, eta_s=190, note="epoch 5"), "62% (5 of 8), 3 min 10 s left, epoch 5",
     "############........"),
    (Progress(done=5), "5 done", ""),
    (Progress(done=5, total=0), "5 done", ""),
    (Progress(done=12, total=8, eta_s=0.0), "100% (12 of 8), 0.0s left", "#" * 20),
    (Progress(done=-1, total=8), "0% (-1 of 8)", "." * 20),
    (Progress(done=1, total=2, note="a\nb\x1b[2J"), "50% (1 of 2), a⏎b\\x1b[2J", "#" * 10 + "." * 10),
])
def test_progress_is_formatted_as_text_and_bar(progress: Progress, words: str, drawn: str) -> None:
    assert progress_text(progress) == words
    assert progress_bar(progress) == drawn


def test_missing_progress_is_an_empty_text() -> None:
    assert progress_text(None) == ""


# -- columns of text -----------------------------------------------------------------------------------------


def test_columns_are_aligned_with_numbers_to_the_right() -> None:
    rows = [["1", "a", "0.5"], ["12", "漢字", "10"], ["3", "e\u0301", ""]]
    assert align_columns([["run", "name", "loss"], *rows]) == [
        "run  name  loss",
        "  1  a      0.5",
        " 12  漢字    10",
        "  3  e\u0301",
    ]
    assert align_columns([]) == []


@pytest.mark.parametrize(("cells", "numeric"), [
    (["1", "2.5", ""], True), (["1.2e-05", "nan", "-inf"], True), (["3.4 MB", "10%", "2.0s"], True),
    (["1", "x"], False), (["", ""], False), ([], False), (["1 min 5 s", "2.0s", "3 d 4 h"], True),
    (["1 min of rest"], False),
])
def test_numeric_columns_are_detected(cells: list[str], numeric: bool) -> None:
    assert is_numeric(cells) is numeric


@pytest.mark.parametrize(("text", "places"), [("abc", 3), ("漢字", 4), ("e\u0301", 1), ("🙂", 2), ("", 0)])
def test_the_terminal_width_of_a_text(text: str, places: int) -> None:
    assert width(text) == places


@given(st.text(max_size=20), st.integers(1, 20))
def test_a_cut_text_fits(text: str, room: int) -> None:
    assert width(cut(text, room)) <= max(room, 1)
    assert cut(text, max(room, width(text))) == text


def test_fitting_counts_the_columns_that_fit() -> None:
    rows = [["aaa", "bb", "c"], ["a", "b", "c"]]

    assert [fitting(rows, room) for room in (1, 3, 6, 7, 9, 10, 80)] == [1, 1, 1, 2, 2, 3, 3]


# -- plain ---------------------------------------------------------------------------------------------------


def test_a_record_becomes_json_with_its_field_names() -> None:
    attempt = Attempt(number=1, outcome=Outcome.COMPLETED, started_at=NOON)
    run = completed(7, 0.5, attempts=(attempt,), tags=("a",))
    tree = json.loads(json.dumps(to_json(run), allow_nan=False))

    assert (tree["id"], tree["state"], tree["result"], tree["tags"]) == (7, "COMPLETED", 0.5, ["a"])
    assert tree["metric"] == {"name": "accuracy", "goal": "maximize"}
    assert tree["attempts"][0]["started_at"] == "2026-03-01T12:00:00+00:00"
    assert tree["attempts"][0]["outcome"] == "completed"
    assert tree["config"] == {"classifier": {"className": "Forest", "trees": 100}}


@pytest.mark.parametrize(("value", "kept"), [
    (math.nan, "NaN"), (math.inf, "Infinity"), (-math.inf, "-Infinity"), (-0.0, -0.0), (True, True),
    (None, None),
    (State.FAILED, "FAILED"), ({State.QUEUED: 3}, {"QUEUED": 3}), ((1, 2), [1, 2]), (Path("a/b"), "a/b"),
    (frozenset({"b", "a"}), ["a", "b"]), ({1: {2: math.nan}}, {"1": {"2": "NaN"}}),
])
def test_what_json_cannot_hold_becomes_text(value: Any, kept: Any) -> None:
    assert to_json(value) == kept
    json.dumps(to_json(value), allow_nan=False)


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(),
                    lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.integers(), inner),
                    max_leaves=8))
def test_any_value_becomes_strict_json(value: Any) -> None:
    json.loads(json.dumps(to_json(value), allow_nan=False), parse_constant=lambda name: pytest.fail(name))
