"""Decoding of many texts, in which equal trees are decoded once."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, strategies as st

from hyperspace_core.records.codec import KEPT, WHOLE, InternedTrees, from_text, to_text

LEAVES = st.none() | st.booleans() | st.integers(-5, 5) | st.floats(allow_nan=False) | st.text(max_size=5)
TREES = st.recursive(LEAVES, lambda inner: st.lists(inner, max_size=3) |
                     st.dictionaries(st.text(max_size=4), inner, max_size=3), max_leaves=8)
SECTIONS = st.dictionaries(st.sampled_from(["seeds", "host", 'a"b', "", "é"]), TREES, max_size=5)


@given(st.lists(SECTIONS, max_size=12))
def test_texts_are_decoded_right_after_any_other_texts(trees: list[dict[str, Any]]) -> None:
    alike = InternedTrees()
    for tree in trees:
        for text in (to_text(tree), json.dumps(tree)):
            assert to_text(alike.sections(text)) == to_text(from_text(text))
            assert to_text(alike.tree(text)) == to_text(from_text(text))


def test_only_equal_trees_are_one_object() -> None:
    alike = InternedTrees()
    first, second = (alike.sections(to_text({"seeds": {"seed": seed}, "host": {"name": "vm"}, "n": seed}))
                     for seed in (1, 2))

    assert first["host"] is second["host"]
    assert (first["seeds"], second["seeds"]) == ({"seed": 1}, {"seed": 2})
    assert first is not second and (first["n"], second["n"]) == (1, 2)
    assert alike.tree('{"a":1}') is alike.tree('{"a":1}') and alike.tree(None) is None


def test_a_number_is_not_taken_for_a_longer_one() -> None:
    alike = InternedTrees()
    assert [alike.sections(f'{{"n":{number}}}') for number in (1, 12, 1)] == [{"n": 1}, {"n": 12}, {"n": 1}]


@pytest.mark.parametrize("text", ["", "{", '{"a"}', '{"a";{}}', '{"a":{}', '{"a":{}}x', '{"a":{},}', '{1:2}'])
def test_a_text_that_is_no_json_is_refused(text: str) -> None:
    alike = InternedTrees()
    alike.sections('{"a":{}}')
    with pytest.raises(ValueError):
        alike.sections(text)


def test_the_cache_is_bounded() -> None:
    alike = InternedTrees()
    for number in range(3 * WHOLE):
        alike.sections(to_text({"seeds": {"seed": number}}))
        alike.tree(to_text({"seed": number}))

    assert [len(known) for known in alike._after.values()] == [KEPT]
    assert len(alike._trees) <= WHOLE
