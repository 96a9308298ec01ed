"""The search space of signatures, and its changes by `space=`."""

# ruff: noqa: B008 - instances as defaults are what is tested
from __future__ import annotations

import json
from random import Random
from typing import Annotated, Any

import pytest
from hypothesis import given, strategies as st

from hyperspace_core.components import Lazy
from hyperspace_core.config.complete import complete
from hyperspace_core.config.grid import parse_assignments
from hyperspace_core.config.signature import signature_of
from hyperspace_core.errors import ConfigError, UnknownClassError
from hyperspace_core.ranges import Choice, Float, Int
from hyperspace_tuning.from_signature import MAX_PARAMETERS, space_from_signature
from hyperspace_tuning.sampling import sample
from hyperspace_tuning.space import Fixed, Space
from searched_classes import Classifier, Fitted, Forest, Standard, Support, Voting, registry_of, space, train
from support.zoo import CATALOG, EVERYTHING


def ranges(found: Space) -> dict[str, Any]:
    return {one.key: one.range for one in found.dimensions}


def searched(wishes: dict[str, Any]) -> dict[str, Any]:
    """Searched only as `space=` says."""
    return {one.path: one.range for one in space(wishes).dimensions if one.source == "space="}


def held(wishes: dict[str, Any]) -> dict[str, Any]:
    return {one.path: one.value for one in space(wishes).entries
            if isinstance(one, Fixed) and one.source == "space="}


# -- from signatures -----------------------------------------------------------------------------------------


def test_ranges_are_found_at_every_depth() -> None:
    assert ranges(space()) == {
        "classifier.className": Choice("Forest", "Support"),
        "classifier[Forest].trees": Int(10, 1000, log=True),
        "classifier[Forest].max_depth?": Choice(False, True),
        "classifier[Forest].max_depth": Int(2, 30),
        "classifier[Support].C": Float(1e-3, 1e3, log=True),
        "scaler.className": Choice("Standard", "Unscaled", None),
        "layers.0.units": Int(8, 64, step=8),
        "layers.1.units": Int(8, 64, step=8),
        "rates.0": Float(0.0, 1.0),
        "stopping?": Choice(False, True),
        "stopping.patience": Int(1, 10),
    }


def test_a_parameter_is_active_where_its_class_is_chosen() -> None:
    active = {one.path for one in space().active({"classifier.className": "Support"})}
    assert "classifier.C" in active
    assert "classifier.trees" not in active


def test_bool_enum_and_literal_are_fixed_unless_named() -> None:
    assert not {"mode", "bias", "classifier.kernel"} & {one.path for one in space().dimensions}
    wishes = {"mode": ["FAST", "SLOW"], "bias": [True, False],
              "classifier": {"kernel": ["rbf", "linear"]}}
    found = searched(wishes)
    assert found["mode"] == Choice("FAST", "SLOW")
    assert found["bias"] == Choice(True, False)
    assert found["classifier.kernel"] == Choice("rbf", "linear")


def test_the_default_is_the_parameter_s_and_not_the_class_s() -> None:
    defaults = {one.key: one.default for one in space().dimensions}
    assert defaults["classifier.className"] == "Forest"
    assert defaults["classifier[Forest].trees"] == 50
    assert defaults["layers.1.units"] == 32
    assert defaults["stopping?"] is False


def test_a_class_registered_later_extends_the_space() -> None:
    registry = registry_of(Forest, Standard)
    before = space_from_signature(signature_of(train), registry)
    assert "classifier.className" not in {one.path for one in before.dimensions}
    registry.add(Classifier, Support)
    after = space_from_signature(signature_of(train), registry)
    assert ranges(after)["classifier.className"] == Choice("Forest", "Support")
    assert {one.key for one in before.dimensions} < {one.key for one in after.dimensions}


def test_a_class_that_needs_a_value_is_left_out_with_the_reason() -> None:
    found = space(classes=(Forest, Support, Fitted, Standard))
    assert ranges(found)["classifier.className"] == Choice("Forest", "Support")
    assert [(one.name, "classifier.path" in one.reason) for one in found.left_out] == [("Fitted", True)]


def test_a_class_is_not_searched_inside_itself_by_default() -> None:
    found = space(classes=(Forest, Voting, Standard))
    assert ranges(found)["classifier.className"] == Choice("Forest", "Voting")
    inside = [one for one in found.dimensions if one.key.startswith("classifier[Voting].first")]
    assert {one.key for one in inside} == {
        f"classifier[Voting].first[Forest].{name}" for name in ("trees", "max_depth?", "max_depth")}
    assert all(one.when[0] == ("classifier.className", "Voting") for one in inside)
    asked = space({"classifier": {"className": "Voting", "first": "Voting"}},
                  classes=(Forest, Voting, Standard))
    assert Fixed(path="classifier.first.className", key="classifier[Voting].first.className", value="Voting",
                 source="space=") in asked.entries


def test_endless_nesting_of_families_is_refused() -> None:
    def made(number: int) -> type:
        return type(f"V{number}", (Voting,), {"__module__": __name__, "__qualname__": f"V{number}"})

    with pytest.raises(ConfigError, match=rf"more than {MAX_PARAMETERS:,} parameters; name the classes"):
        space(classes=(Forest, Support, *map(made, range(9)), Standard))


def test_a_parameter_without_default_and_range_is_refused() -> None:
    def needy(epochs: int, rate: Annotated[float, Float(0, 1)]) -> None: ...

    with pytest.raises(ConfigError, match=r"`epochs`: .*needy needs it .int. and has neither a default nor"):
        space(function=needy)
    found = space({"epochs": [1, 2]}, function=needy)
    assert ranges(found) == {"epochs": Choice(1, 2), "rate": Float(0.0, 1.0)}


def test_arguments_of_run_time_are_not_searched() -> None:
    def lazy(classifier: Lazy[Classifier] = Lazy(Fitted)) -> None: ...

    found = space(function=lazy, classes=(Forest, Fitted))
    assert found.to_config({"classifier.className": "Fitted"}) == {"classifier": {"className": "Fitted"}}


def test_the_space_tells_how_many_assignments_it_has() -> None:
    def small(classifier: Classifier, n: Annotated[int, Int(1, 3)] = 1,
              share: Annotated[float, Float(0, 1, step=0.25)] = 0.0) -> None: ...

    bare = type("Bare", (Classifier,), {})
    forest = {"className": "Forest", "trees": [1, 2], "max_depth": [None, 3]}
    found = space({"classifier": [forest, "Bare"]}, function=small, classes=(Forest, bare))
    assert found.size == (2 * 2 + 1) * 3 * 5
    assert space().size == float("inf")


OF_EVERYTHING = space_from_signature(EVERYTHING, CATALOG, {
    "classifier": ["Forest", "BigForest", {"className": "Support", "kernel": ["rbf", "linear"]}],
    "choice": ["auto", 3], "raw": {"deep": Int(1, 2)}, "model": ["Forest", "BigForest"]})


@given(st.integers())
def test_a_sample_is_in_the_space_and_survives_its_config(seed: int) -> None:
    assignment = sample(OF_EVERYTHING, Random(seed))
    assert OF_EVERYTHING.problems(assignment) == ()
    config = OF_EVERYTHING.to_config(assignment)
    assert complete(config, EVERYTHING, CATALOG) == config
    placed = OF_EVERYTHING.from_config(json.loads(json.dumps(config)))
    assert placed.inside, placed.outside
    assert placed.assignment == assignment


def test_an_assignment_is_completed_with_defaults() -> None:
    found = space()
    assert found.complete({})["classifier.trees"] == 50
    assert found.to_config({"classifier.className": "Support"})["classifier"] == {
        "className": "Support", "C": 1.0, "kernel": "rbf"}
    with pytest.raises(ConfigError, match=r"`classifier.tres`: not searched here; did you mean"):
        found.complete({"classifier.tres": 3})
    with pytest.raises(ConfigError, match=r"`classifier.trees`: 5 is outside"):
        found.complete({"classifier.trees": 5})
    with pytest.raises(ConfigError, match=r"`classifier.max_depth`: missing"):
        found.complete({"classifier.max_depth?": True})


# -- space= --------------------------------------------------------------------------------------------------


def test_the_issue_s_example_narrows_the_classes_and_a_range() -> None:
    found = space({"classifier": ["Forest", {"className": "Support", "C": Float(0.1, 10, log=True)}],
                   "noise": 0.1})
    assert ranges(found)["classifier.className"] == Choice("Forest", "Support")
    assert ranges(found)["classifier[Support].C"] == Float(0.1, 10.0, log=True)
    assert ranges(found)["classifier[Forest].trees"] == Int(10, 1000, log=True)
    assert found.to_config({})["noise"] == 0.1


def test_json_and_python_give_the_same_space() -> None:
    python = {"classifier": ["Forest", {"className": "Support", "C": Float(0.1, 10, log=True)}],
              "layers": {"0": {"units": Int(8, 32, step=8)}}, "scaler": Choice("Standard"), "noise": 0.1}
    text = """{"classifier": ["Forest", {"className": "Support", "C": {"float": [0.1, 10], "log": true}}],
               "layers": {"0": {"units": {"int": [8, 32], "step": 8}}}, "scaler": ["Standard"],
               "noise": 0.1}"""
    assert space(json.loads(text)) == space(python)
    line = parse_assignments(['classifier.C={"float": [0.1, 10], "log": true}', "noise=0.1"])
    assert ranges(space(line))["classifier[Support].C"] == Float(0.1, 10.0, log=True)


def test_a_single_class_gives_no_choice_and_no_condition() -> None:
    for wish in ("Forest", ["Forest"], {"className": "Forest"}, "RandomForest", Choice("Forest")):
        found = space({"classifier": wish})
        assert held({"classifier": wish}) == {"classifier.className": "Forest"}
        trees = next(one for one in found.dimensions if one.path == "classifier.trees")
        assert (trees.when, trees.default) == ((), 50)


def test_a_key_without_a_class_applies_to_classes_that_have_it() -> None:
    found = space({"classifier": {"C": [1, 10]}})
    assert ranges(found)["classifier.className"] == Choice("Forest", "Support")
    assert ranges(found)["classifier[Support].C"] == Choice(1.0, 10.0)


def test_whole_numbers_for_a_float_are_floats() -> None:
    assert searched({"noise": Int(1, 5)}) == {"noise": Float(1.0, 5.0, step=1.0)}
    assert searched({"noise": [0, 1]}) == {"noise": Choice(0.0, 1.0)}


def test_a_default_outside_the_narrowed_range_is_moved_into_it() -> None:
    found = space({"classifier": {"className": "Forest", "trees": Int(200, 300), "max_depth": [None, 4, 8]},
                   "bias": [False]})
    defaults = {one.path: one.default for one in found.dimensions}
    assert (defaults["classifier.trees"], defaults["classifier.max_depth"]) == (200, None)
    assert found.to_config({})["bias"] is False


def test_none_is_tried_where_space_offers_it() -> None:
    assert searched({"classifier": {"className": "Forest", "max_depth": [None, Int(2, 5)]}}) == {
        "classifier.max_depth?": Choice(False, True), "classifier.max_depth": Int(2, 5)}
    assert searched({"classifier": {"className": "Forest", "max_depth": Int(2, 5)}}) == {
        "classifier.max_depth": Int(2, 5)}
    assert searched({"scaler": [None, "Standard"]}) == {"scaler.className": Choice(None, "Standard")}
    assert held({"scaler": None}) == {"scaler": None}
    assert "stopping?" not in ranges(space({"stopping": {}}))
    assert "stopping?" in ranges(space({"stopping": [None, {"patience": 2}]}))
    assert held({"stopping": None}) == {"stopping": None}


def test_a_list_is_whole_or_one_item_of_it_or_alternatives() -> None:
    assert ranges(space({"layers": [{"units": Int(8, 16)}]}))["layers.0.units"] == Int(8, 16)
    whole = space({"layers": [{"units": Int(8, 16)}]})
    assert whole.to_config({})["layers"] == [{"units": 16, "name": "dense"}]
    one = space({"layers": {"1": {"units": 8}}})
    assert one.to_config({})["layers"] == [{"units": 16, "name": "dense"}, {"units": 8, "name": "dense"}]
    assert searched({"rates": {"each": [[0.1], [0.1, 0.2]]}}) == {"rates": Choice([0.1], [0.1, 0.2])}
    assert space({"rates": {"each": [[0.1], [1]]}}).to_config({"rates": [1.0]})["rates"] == [1.0]


def test_an_untyped_parameter_takes_any_range() -> None:
    assert searched({"anything": Float(0, 1)}) == {"anything": Float(0.0, 1.0)}
    assert searched({"settings": {"a": Int(1, 3), "b": {"c": {"each": [1, "x"]}}}}) == {
        "settings.a": Int(1, 3), "settings.b.c": Choice(1, "x")}
    found = space({"settings": {"b": {"c": {"each": [1, "x"]}}}})
    assert found.to_config({"settings.b.c": "x"})["settings"] == {"a": 1, "b": {"c": "x"}}


@pytest.mark.parametrize(("wishes", "message"), [
    ({"clasifier": "Forest"}, "`clasifier`: .*train has no such parameter; did you mean `classifier`?"),
    ({"classifier": "Forst"}, "`classifier`: no classifier 'Forst'.*Did you mean 'Forest'?"),
    ({"classifier": ["Forest", {"trees": 3}]}, "`classifier`: expected Classifier .a name, or a section"),
    ({"classifier": ["Forest", "RandomForest"]}, "`classifier`: Forest is offered twice; keep one"),
    ({"classifier": []}, "`classifier`: an empty list of alternatives leaves nothing to try"),
    ({"classifier": None}, "`classifier`: expected Classifier .*found None"),
    ({"classifier": 3}, "`classifier`: expected Classifier .*found int 3"),
    ({"classifier": {"tress": 3}}, "`classifier.tress`: none of the classes has such .*did you mean 'trees'"),
    ({"classifier": {"className": "Forest", "tress": 3}}, "`classifier.tress`: Forest has no such .*`trees`"),
    ({"classifier": {"className": "Forest", "trees": Float(1, 2)}},
     r"`classifier.trees`: Float\(1, 2\) does not describe values of type int"),
    ({"classifier": {"trees": "many"}}, "`classifier.trees`: expected int, found str 'many'"),
    ({"classifier": {"className": "Forest", "max_depth": [Int(1, 2), 9]}},
     "`classifier.max_depth`: a range is mixed with other alternatives"),
    ({"classifier": {1: 2}}, "`classifier.1`: none of the classes has such a parameter"),
    ({"mode": ["FAST", "SLOWW"]}, "`mode`: expected one of FAST, SLOW, found str 'SLOWW'"),
    ({"mode": Int(1, 2)}, r"`mode`: Int\(1, 2\) does not describe values of type Mode"),
    ({"bias": Float(0, 1)}, "`bias`: Float.* does not describe values of type bool"),
    ({"noise": [None, Float(0, 1)]}, "`noise`: expected float, found None"),
    ({"noise": {"float": [0.1, 1], "logg": True}}, "`noise.logg`: a range has no such key; did you"),
    ({"noise": {"float": [0.1]}}, "`noise.float`: expected two numbers"),
    ({"noise": {"int": [0.5, 2]}}, "`noise.int`: expected two numbers"),
    ({"noise": {"float": [1, 0]}}, r"`noise`: Float\(1, 0\): the bounds must be finite and low <= high"),
    ({"noise": {"float": [0, 1], "log": True}}, "`noise`: .*a logarithmic range needs low > 0"),
    ({"noise": {"float": [0, 1], "log": 1}}, "`noise.log`: expected true or false, found int 1"),
    ({"noise": {"float": [0, 1], "step": "x"}}, "`noise.step`: expected a number, found str 'x'"),
    ({"noise": {"float": [0, float("nan")]}}, "`noise`: .*the bounds must be finite"),
    ({"layers": {"7": {"units": 8}}}, "`layers.7`: the list has 2 items, counted from 0"),
    ({"layers": 3}, r"`layers`: expected list\[Layer\], found int 3"),
    ({"layers": {"each": [[{"units": Int(8, 16)}], []]}}, "`layers`: values inside it cannot be searched"),
    ({"anything": {"each": [{"a": Int(1, 2)}, 3]}}, "`anything`: values inside it cannot be searched"),
    ({"settings": Float(0, 1)}, r"`settings`: Float\(0, 1\) does not describe values of type dict"),
    ({"settings": {"className": ["a", "b"], "x": Int(1, 2)}}, "`settings`: values inside it cannot be"),
    ({"settings": {"a.b": Int(1, 2)}}, "`settings`: values inside it cannot be searched"),
    ({"anything": [1, float("nan")]}, "`anything`: float nan cannot be tried"),
    ({"anything": {"a": {1, 2}}}, "`anything`: dict .* cannot be tried; give a value that JSON can hold"),
    ({"rates": [Int(1, 2), 3, "x"]}, r"`rates.2`: expected float, found str 'x'"),
    ({"stopping": [{}, {"patience": 2}]}, "`stopping`: expected one section for Stopping, beside it at most"),
    ({"stopping": 3}, "`stopping`: expected a section for Stopping, found int 3"),
    ([1], "space: expected a dict of hyper-parameters, found list"),
])
def test_a_mistake_in_space_is_named_with_its_place_and_cure(wishes: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        space(wishes)
    assert len(caught.value.problems) == 1


def test_all_mistakes_are_reported_together() -> None:
    with pytest.raises(UnknownClassError) as caught:
        space({"classifier": "Forst", "noise": "x", "biass": True})
    assert len(caught.value.problems) == 3


# -- description ---------------------------------------------------------------------------------------------


def test_describe_gives_a_tree_of_ranges_defaults_and_sources() -> None:
    lines = {line.path: line for line in space({"noise": Float(0, 1)}).describe()}
    classifier = lines["classifier"]
    assert (classifier.text, classifier.default) == ("one of Forest, Support", "Forest")
    forest, support = classifier.children
    trees, max_depth = forest.children
    assert (forest.name, trees.name, trees.text, trees.default, trees.source) == (
        "Forest", "trees", "10 to 1000, log", 50, "Forest.trees")
    assert (max_depth.text, max_depth.default) == ("2 to 30, or None", None)
    assert [(one.name, one.searched) for one in support.children] == [("C", True), ("kernel", False)]
    assert (lines["noise"].text, lines["noise"].source) == ("0 to 1", "space=")
    assert [one.name for one in lines["stopping"].children] == ["patience"]
    assert lines["bias"].value is True
