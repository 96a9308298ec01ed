"""The assignment of a past run's config in the current search space."""

from __future__ import annotations

from typing import Any

import pytest

from hyperspace_core.config.tree import merge
from hyperspace_core.ranges import Float, Int
from hyperspace_tuning.space import Placement
from searched_classes import Forest, Standard, Support, space

CONFIG = space().to_config({})


def changed(change: dict[str, Any]) -> Placement:
    return space().from_config(merge(CONFIG, change))


def misfits(found: Placement) -> list[tuple[str, str]]:
    return [(one.path, one.reason) for one in found.outside]


def test_a_config_inside_gives_a_whole_assignment() -> None:
    found = space().from_config(CONFIG)
    assert found.inside
    assert found.assignment == space().complete({})
    assert space().to_config(found.assignment) == CONFIG


def test_none_is_inside_where_it_is_searched() -> None:
    found = changed({"scaler": None, "stopping": {"patience": 5}, "classifier": {"max_depth": 7}})
    assert found.inside
    assert {path: found.assignment[path] for path in (
        "scaler.className", "stopping?", "stopping.patience", "classifier.max_depth?", "classifier.max_depth"
    )} == {"scaler.className": None, "stopping?": True, "stopping.patience": 5,
           "classifier.max_depth?": True, "classifier.max_depth": 7}


def test_a_former_class_name_becomes_the_current_one() -> None:
    former = {**CONFIG, "classifier": CONFIG["classifier"] | {"className": "RandomForest"}}
    assert space().from_config(former).assignment["classifier.className"] == "Forest"
    alone = space({"classifier": "Forest"}).from_config(former)
    assert alone.inside


def test_a_whole_number_in_a_float_s_place_is_a_float() -> None:
    found = space({"noise": Float(0, 2)}).from_config({**CONFIG, "noise": 1})
    assert repr(found.assignment["noise"]) == "1.0"


@pytest.mark.parametrize(("change", "outside"), [
    ({"classifier": {"trees": 5}}, [("classifier.trees", "range")]),
    ({"classifier": {"trees": 50.0}}, [("classifier.trees", "range")]),
    ({"classifier": {"className": "Gone", "alpha": 3}}, [("classifier.className", "class")]),
    ({"noise": 0.5}, [("noise", "fixed")]),
    ({"bias": 1}, [("bias", "fixed")]),
    ({"rates": [0.1, 0.2]}, [("rates", "fixed")]),
    ({"layers": {"0": {"name": "conv"}}}, [("layers.0.name", "fixed")]),
    ({"layers": 3}, [("layers", "fixed")]),
    ({"dropout": 0.5}, [("dropout", "unknown")]),
    ({"stopping": {"patience": 3, "delta": 0.1}}, [("stopping.delta", "unknown")]),
    ({"stopping": {"patience": None}}, [("stopping.patience", "range")]),
])
def test_a_value_outside_is_reported_with_its_reason(change: dict[str, Any],
                                                     outside: list[tuple[str, str]]) -> None:
    found = changed(change)
    assert misfits(found) == outside
    assert all(f"`{one.path}`" in one.text for one in found.outside)


def test_missing_parameters_are_reported() -> None:
    lacking = {key: value for key, value in CONFIG.items() if key != "noise"}
    lacking["classifier"] = {"className": "Forest", "max_depth": None}
    assert misfits(space().from_config(lacking)) == [("classifier.trees", "missing"), ("noise", "missing")]


def test_a_value_that_space_excludes_is_outside() -> None:
    narrowed = space({"classifier": {"className": "Support", "C": Float(1, 10)}, "noise": 0.1})
    assert misfits(narrowed.from_config(CONFIG)) == [("classifier.className", "class"), ("noise", "fixed")]
    text = narrowed.from_config(CONFIG).outside[0].text
    assert text == "`classifier.className`: str 'Forest', the space has only str 'Support'"


def test_back_filled_runs_stay_inside_when_a_range_is_added() -> None:
    def grown_of(config: dict[str, Any]) -> Placement:
        return space({"noise": Float(0, 1)}).from_config(config)

    assert grown_of(CONFIG).assignment["noise"] == 0.0
    assert grown_of(CONFIG).inside


def test_a_class_registered_later_changes_no_assignment() -> None:
    small = space({"classifier": {"trees": Int(10, 100)}}, classes=(Forest, Standard))
    large = space({"classifier": {"trees": Int(10, 100)}}, classes=(Forest, Support, Standard))
    config = small.to_config({})
    assert large.from_config(config).assignment == {
        **small.from_config(config).assignment, "classifier.className": "Forest"}
