from __future__ import annotations

from hypothesis import given

from hyperspace_core.config.complete import complete
from hyperspace_core.config.tree import flatten, told_apart
from support.zoo import CATALOG, EVERYTHING, SECTIONS


def written_in(config: dict[str, object]) -> list[str]:
    return [leaf.path for leaf in told_apart(complete(config, EVERYTHING, CATALOG), config) if leaf.written]


def test_leaves_of_the_user_are_written_and_others_default() -> None:
    assert written_in({"classifier": {"trees": 5}, "mode": "SLOW"}) == ["classifier.trees", "mode"]


def test_a_bare_name_writes_the_class_alone() -> None:
    config = {"classifier": "BigForest", "model": {"className": "Support", "C": 1.0}}

    assert written_in(config) == ["classifier.className", "model.className", "model.C"]


def test_a_written_value_may_equal_the_default() -> None:
    assert written_in({"classifier": {"trees": 20}}) == ["classifier.trees"]


def test_old_spellings_count_as_the_parameters_they_mean() -> None:
    assert written_in({"Classifier": {"trees": 5}}) == ["classifier.trees"]


def test_sections_in_lists_are_compared_one_by_one() -> None:
    assert written_in({"layers": ["Dense", {"className": "Dropout", "share": 0.2}]}) == [
        "layers.0.className", "layers.1.className", "layers.1.share",
    ]


@given(SECTIONS)
def test_the_leaves_are_those_of_flatten(tree: dict[str, object]) -> None:
    leaves = told_apart(tree, tree)

    assert repr({leaf.path: leaf.value for leaf in leaves}) == repr(flatten(tree))
    assert all(leaf.written for leaf in leaves)
    assert not any(leaf.written for leaf in told_apart(tree, {}) if leaf.path)
