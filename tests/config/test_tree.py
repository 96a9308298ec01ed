from __future__ import annotations

import math
import subprocess
import sys
from enum import Enum
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings

from hyperspace_core.config.tree import (
    MISSING,
    Difference,
    canonical,
    diff,
    digest,
    dropped,
    flatten,
    is_json,
    merge,
    shown,
    snake_case,
    too_deep,
)
from hyperspace_core.errors import ConfigError
from support.zoo import SECTIONS


def same(a: object, b: object) -> bool:
    return canonical(a) == canonical(b)


@pytest.mark.parametrize(
    ("key", "snake"),
    [
        ("Classifier", "classifier"),
        ("TrainingSchedule", "training_schedule"),
        ("HTTPServer", "http_server"),
        ("drop_mult", "drop_mult"),
        ("Layer2Size", "layer2_size"),
        ("C", "c"),
        ("", ""),
    ],
)
def test_snake_case(key: str, snake: str) -> None:
    assert snake_case(key) == snake


# -- merge ----------------------------------------------------------------------------------------------


def test_another_class_replaces_the_whole_section() -> None:
    base = {"c": {"className": "Forest", "trees": 5}, "lr": 1}
    assert merge(base, {"c": {"className": "Support"}}) == {"c": {"className": "Support"}, "lr": 1}
    assert base == {"c": {"className": "Forest", "trees": 5}, "lr": 1}


def test_an_update_without_class_keeps_it() -> None:
    base = {"c": {"className": "Forest", "trees": 5, "depth": 2}}
    assert merge(base, {"c": {"trees": 9}}) == {"c": {"className": "Forest", "trees": 9, "depth": 2}}


def test_the_same_class_keeps_what_is_not_mentioned() -> None:
    base = {"c": {"className": "Forest", "trees": 5, "depth": 2}}
    assert merge(base, {"c": {"className": "Forest", "trees": 9}})["c"]["depth"] == 2


def test_a_bare_name_replaces_a_component_and_takes_updates() -> None:
    base = {"c": {"className": "Forest", "trees": 5}}
    assert merge(base, {"c": "Forest"}) == {"c": "Forest"}
    assert merge({"c": "Forest"}, {"c": {"trees": 9}}) == {"c": {"className": "Forest", "trees": 9}}
    assert merge({"c": "Forest"}, {"c": {"className": "Support"}}) == {"c": {"className": "Support"}}


def test_deep_sections_merge_and_none_is_replaced_both_ways() -> None:
    assert merge({"a": {"b": {"c": 1, "d": 2}}}, {"a": {"b": {"c": 3}}}) == {"a": {"b": {"c": 3, "d": 2}}}
    assert merge({"a": None}, {"a": {"b": 1}}) == {"a": {"b": 1}}
    assert merge({"a": {"b": 1}}, {"a": None}) == {"a": None}


def test_camel_case_changes_the_snake_case_key() -> None:
    assert merge({"classifier": {"n": 1}}, {"Classifier": {"m": 2}}) == {"classifier": {"n": 1, "m": 2}}
    assert merge({"TrainingSchedule": {"n": 1}}, {"training_schedule": {"n": 2}}) == {
        "TrainingSchedule": {"n": 2}
    }
    assert merge({"c": 1}, {"C": 2}) == {"c": 1, "C": 2}  # one-letter names are not CamelCase


@pytest.mark.parametrize(
    ("base", "change", "message"),
    [
        ({"a": 1}, {"a": {"b": 2}}, "`a`: cannot replace a value by a section; found int 1"),
        ({"a": {"b": 2}}, {"a": 1}, "`a`: cannot replace a section by a value; found a section with `b`"),
        ({"x": {"a": {"b": 2}}}, {"x": {"a": [1]}}, "`x.a`: cannot replace a section by a value"),
        ({"a": {"b": 2}}, {"a": "Forest"}, "`a`: cannot replace a section by a value"),
    ],
)
def test_a_section_and_a_value_never_replace_each_other(base: dict, change: dict, message: str) -> None:
    with pytest.raises(ConfigError) as error:
        merge(base, change)
    assert str(error.value).startswith(message)
    assert "\n" not in str(error.value)


def test_a_section_of_item_numbers_changes_those_items_of_a_list() -> None:
    base = {"layers": ["Dense", {"className": "Drop", "p": 0.5}], "sizes": [1, 2, 3]}

    assert merge(base, {"layers": {"0": {"units": 8}, "1": {"p": 0.1}}})["layers"] == [
        {"className": "Dense", "units": 8}, {"className": "Drop", "p": 0.1}]
    assert merge(base, {"layers": {"1": "Dense"}, "sizes": {"2": 9}}) == {
        "layers": ["Dense", "Dense"], "sizes": [1, 2, 9]}
    with pytest.raises(ConfigError) as error:
        merge(base, {"sizes": {"3": 4}})
    assert str(error.value) == "`sizes.3`: the list has 3 items, 0 to 2; write the whole list to lengthen it"


def test_merge_shares_nothing() -> None:
    base, change = {"a": {"l": [1]}}, {"b": {"l": [2]}}
    merged = merge(base, change)
    merged["a"]["l"].append(9)
    merged["b"]["l"].append(9)
    assert (base, change) == ({"a": {"l": [1]}}, {"b": {"l": [2]}})


@settings(deadline=None)
@given(SECTIONS)
def test_merge_with_nothing_or_itself_changes_nothing(tree: dict) -> None:
    assert same(merge(tree, {}), tree)
    assert same(merge({}, tree), tree)
    assert same(merge(tree, tree), tree)


@settings(deadline=None)
@given(SECTIONS, SECTIONS)
def test_merging_a_change_is_idempotent(base: dict, change: dict) -> None:
    try:
        merged = merge(base, change)
    except ConfigError:
        return
    assert same(merge(merged, change), merged)


def test_keys_that_a_switch_of_class_drops_are_listed() -> None:
    base = {"c": {"className": "Forest", "trees": 5, "depth": 2}, "x": {"y": {"className": "A", "n": 1}}}
    assert dropped(base, {"c": {"className": "Support", "depth": 1}}) == ("c.trees",)
    assert dropped(base, {"C": 1, "c": "Support", "x": {"y": {"className": "B"}}}) == (
        "c.trees",
        "c.depth",
        "x.y.n",
    )
    assert dropped(base, {"c": {"trees": 1}, "x": {"y": {"className": "A"}}}) == ()


# -- flatten and diff -----------------------------------------------------------------------------------


def test_flatten() -> None:
    tree = {"a": {"b": 1, "l": [1, 2], "e": {}}, "layers": [{"units": 3}, "Dense"], "n": []}
    assert flatten(tree) == {
        "a.b": 1,
        "a.l": [1, 2],
        "a.e": {},
        "layers.0.units": 3,
        "layers.1": "Dense",
        "n": [],
    }


@settings(deadline=None)
@given(SECTIONS)
def test_flatten_loses_nothing(tree: dict) -> None:
    back: dict = {}
    for path, leaf in flatten(tree).items():
        *above, last = path.split(".")
        section = back
        for key in above:
            section = section.setdefault(key, {})
        section[last] = leaf
    assert same(back, tree)


def test_diff() -> None:
    old = {"a": {"b": 1, "c": 2}, "x": math.nan}
    new = {"a": {"b": 1.0, "d": 3}, "x": math.nan}
    assert diff(old, new) == (
        Difference("a.b", 1, 1.0),
        Difference("a.c", 2, MISSING),
        Difference("a.d", MISSING, 3),
    )
    assert diff({"a": True}, {"a": 1}) == (Difference("a", True, 1),)


@settings(deadline=None)
@given(SECTIONS, SECTIONS)
def test_no_difference_means_the_same_digest(a: dict, b: dict) -> None:
    assert diff(a, a) == ()
    assert (diff(a, b) == ()) == (digest(a) == digest(b))


# -- canonical and digest -------------------------------------------------------------------------------


def test_digest_depends_on_neither_order_nor_process() -> None:
    tree = {"b": [1, 2.5, None], "a": {"ü": "x", "n": math.inf}}
    assert digest(tree) == digest({"a": {"n": math.inf, "ü": "x"}, "b": [1, 2.5, None]})
    code = (
        "from hyperspace_core.config.tree import digest; import math; print(digest("
        "{'b': [1, 2.5, None], 'a': {'n': math.inf, '\\xfc': 'x'}}))"
    )
    answer = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env={"PYTHONHASHSEED": "7"}
    )
    assert answer.stdout.strip() == digest(tree)


def test_digest_is_stable_over_releases() -> None:
    # stores hold it: with a change here no earlier run is recognized as a duplicate
    assert digest({"classifier": {"className": "Forest", "trees": 100}, "lr": 0.1}) == (
        "c0894ad4af79da650b9a05f84aae492ddc3af5820af64f8dee6faf718a9d23aa"
    )


def test_canonical_converts_scalars_paths_enums_and_tuples() -> None:
    class Mode(Enum):
        FAST = 1

    assert canonical({"n": np.int64(3), "p": Path("a/b"), "m": Mode.FAST, "t": (1, 2)}) == (
        '{"m":"FAST","n":3,"p":"a/b","t":[1,2]}'
    )
    with pytest.raises(ConfigError, match="is not a JSON value"):
        canonical({"a": object()})


def test_canonical_of_a_tree_that_holds_itself() -> None:
    tree: dict = {}
    tree["self"] = tree
    with pytest.raises(ConfigError):
        canonical(tree)


# -- helpers --------------------------------------------------------------------------------------------


def test_too_deep() -> None:
    tree: dict = {}
    for _ in range(63):
        tree = {"a": tree}
    assert too_deep(tree) is None
    assert too_deep({"a": tree}) == "a.a.a…"
    endless: dict = {}
    endless["x"] = [endless]
    assert too_deep(endless) == "x.0.x…"


def test_too_deep_is_quick_for_shared_branches() -> None:
    tree: list = []
    for _ in range(60):
        tree = [tree, tree]
    assert too_deep(tree) is None


def test_is_json() -> None:
    assert is_json({"a": [1, 2.5, None, "x", (True,)], "n": np.float64(1)})
    assert not is_json({1: 2})
    assert not is_json([object()])


def test_shown_is_one_short_line() -> None:
    class Broken:
        def __repr__(self) -> str:
            raise RuntimeError

    assert shown(None) == "None"
    assert shown("a") == "str 'a'"
    assert len(shown("x" * 5000)) < 80
    assert "\n" not in shown("a\nb")
    assert shown(Broken()) == "Broken …"
