from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given, strategies as st

from hyperspace_core.config.migrate import applied, checked_step, checked_steps
from hyperspace_core.config.tree import canonical
from hyperspace_core.errors import ConfigError
from hyperspace_core.migrations import add, map_values, move, rename, rename_class

SCENARIO = {"className": "Trial", "rows": 10, "dataset": {"className": "Digits", "version": 1}}
CONFIG: dict[str, Any] = {
    "classifier": {"className": "Forest", "trees": 100, "limits": {"depth": 3}},
    "members": [{"className": "Forest", "trees": 5}, {"className": "Line", "slope": 1.0}],
    "named": {"a": {"className": "Forest", "trees": 7}},
    "layers": [{"units": 1}, {"units": 2}],
    "rate": 0.1,
}


def config_after(*steps: dict[str, Any], config: dict[str, Any] = CONFIG) -> dict[str, Any]:
    return applied(checked_steps(steps), SCENARIO, config)[1]


# -- what each step does -------------------------------------------------------------------------------------

def test_add_reaches_every_section_of_a_class() -> None:
    after = config_after(add("max_depth", None, of="Forest"))

    assert after["classifier"]["max_depth"] is None
    assert after["members"] == [{"className": "Forest", "trees": 5, "max_depth": None},
                                {"className": "Line", "slope": 1.0}]
    assert after["named"]["a"] == {"className": "Forest", "trees": 7, "max_depth": None}


def test_add_reaches_hyper_parameters_and_scenario() -> None:
    scenario, config = applied([add("momentum", 0.9), add("scenario.seasons", [1, 2])], SCENARIO, CONFIG)

    assert config["momentum"] == 0.9 and list(config)[-1] == "momentum"
    assert scenario["seasons"] == [1, 2]


def test_add_never_overwrites_a_value() -> None:
    assert config_after(add("trees", 1, of="Forest"), add("rate", 5)) == CONFIG


def test_an_added_value_is_a_copy_in_each_place() -> None:
    after = config_after(add("tags", ["a"], of="Forest"))

    after["classifier"]["tags"].append("b")
    assert after["named"]["a"]["tags"] == ["a"]


def test_a_star_means_every_item_of_a_list() -> None:
    assert config_after(add("layers.*.bias", True))["layers"] == [{"units": 1, "bias": True},
                                                                  {"units": 2, "bias": True}]


def test_a_dataclass_parameter_is_named_by_its_path() -> None:
    assert config_after(add("limits.leaves", 2, of="Forest"))["classifier"]["limits"] == {
        "depth": 3, "leaves": 2}


def test_a_renamed_parameter_keeps_its_place_and_value() -> None:
    after = config_after(rename("trees", "n", of="Forest"))

    assert list(after["classifier"].items())[1] == ("n", 100)
    assert after["members"][0] == {"className": "Forest", "n": 5}


def test_within_limits_a_step_to_sections_that_fill_a_parameter() -> None:
    after = config_after(rename("trees", "n", of="Forest", within="members"))

    assert after["members"][0] == {"className": "Forest", "n": 5}
    assert after["classifier"] == CONFIG["classifier"] and after["named"] == CONFIG["named"]


def test_scenario_limits_a_step_to_runs_of_that_scenario() -> None:
    assert config_after(add("momentum", 1, scenario="Other")) == CONFIG
    assert config_after(add("momentum", 1, scenario="Trial"))["momentum"] == 1


def test_a_value_moves_between_sections_and_between_the_trees() -> None:
    scenario, config = applied([move("classifier.limits.depth", "depth"), move("rate", "scenario.rate")],
                               SCENARIO, CONFIG)

    assert config["depth"] == 3 and config["classifier"]["limits"] == {}
    assert "rate" not in config and scenario["rate"] == 0.1


def test_move_creates_missing_sections() -> None:
    assert config_after(move("rate", "schedule.start"))["schedule"] == {"start": 0.1}


def test_values_are_mapped_by_type_and_value() -> None:
    config = {"mode": 1, "other": {"className": "Line", "mode": True}}
    after = config_after(map_values("mode", [[1, "slow"]]), map_values("mode", [[1, "slow"]], of="Line"),
                         config=config)

    assert after == {"mode": "slow", "other": {"className": "Line", "mode": True}}


def test_a_class_is_renamed_in_all_places() -> None:
    scenario, config = applied([rename_class("Forest", "Trees"), rename_class("Trial", "Holdout")],
                               SCENARIO, CONFIG)

    assert scenario["className"] == "Holdout"
    assert [config["classifier"]["className"], config["members"][0]["className"],
            config["named"]["a"]["className"]] == ["Trees"] * 3


def test_a_run_without_trees_is_left_as_it_is() -> None:
    assert applied([add("x", 1), move("a", "b"), rename_class("A", "B")], None, None) == (None, None)


# -- obstacles -----------------------------------------------------------------------------------------------

@pytest.mark.parametrize(("step", "message"), [
    (rename("rate", "classifier"), "`rate`: cannot become `classifier`, which is dict {"),
    (move("rate", "classifier.trees"),
     "`rate`: cannot become `classifier.trees`, which is int 100 already and not float 0.1"),
    (move("members.0.trees", "n"), "`members.0.trees`: `members` is list [{"),
    (move("classifier.trees", "rate.n"), "`rate.n`: `rate` is float 0.1 and no section"),
    (rename("layers.units", "width"), "`layers`: expected a section, found list [{"),
    (add("rate.start", 1), "`rate`: expected a section, found float 0.1"),
])
def test_an_obstacle_is_named_with_its_path_and_nothing_is_lost(step: dict[str, Any], message: str) -> None:
    before = copy.deepcopy(CONFIG)

    with pytest.raises(ConfigError) as caught:
        applied([add("new", 1), step], SCENARIO, CONFIG)

    assert str(caught.value).startswith(message) and "\n" not in str(caught.value)
    assert before == CONFIG


def test_an_equal_value_at_the_new_name_is_no_obstacle() -> None:
    config = {"a": 1, "b": 1, "c": 2}

    assert config_after(rename("a", "b"), config=config) == {"b": 1, "c": 2}
    assert config_after(move("a", "b"), config=config) == {"b": 1, "c": 2}


# -- invalid steps ------------------------------------------------------------------------------------------

OPS = "with `op`, one of add, rename, move, map_values, rename_class"


@pytest.mark.parametrize(("step", "message"), [
    ({"op": "ad", "parameter": "x", "value": 1},
     f"expected a step {OPS}; found str 'ad'; did you mean 'add'?"),
    (5, f"expected a step {OPS}; found int 5"),
    ({"op": "add", "parameter": "x"}, "add: `value` is missing"),
    ({"op": "add", "parameter": "x", "value": 1, "class": "A"},
     "add: there is no field 'class'; it has parameter, value, of, within, scenario"),
    ({"op": "add", "parameter": "", "value": 1}, "add: `parameter`: expected a name, found str ''"),
    ({"op": "add", "parameter": "a..b", "value": 1},
     "add: `parameter`: expected the dotted path of a parameter, found str 'a..b'"),
    ({"op": "add", "parameter": "x", "value": object},
     "add: expected a value that JSON can hold, found type "),
    ({"op": "rename", "parameter": "a.className", "to": "b"},
     "rename: `parameter`: to rename a class, use rename_class"),
    ({"op": "rename", "parameter": "a", "to": "b.c"},
     "rename: `to`: expected the new name alone, found str 'b.c'; move takes paths"),
    ({"op": "rename", "parameter": "x.a", "to": "a"}, "rename: 'a' is its name already"),
    ({"op": "move", "parameter": "a", "to": "a.b"}, "move: 'a' cannot be moved to 'a.b', into itself"),
    ({"op": "move", "parameter": "a.*.b", "to": "c"}, "move: `*` means many places; name one"),
    ({"op": "map_values", "parameter": "a", "values": {}},
     "map_values: `values`: expected pairs of old and new"),
    ({"op": "map_values", "parameter": "a", "values": [[1, 2], [1, 3]]}, "map_values: 1 is mapped twice"),
    ({"op": "map_values", "parameter": "a", "values": [[1, 2], [2, 3]]},
     "map_values: 2 is both an old value and a new one"),
])
def test_an_invalid_step_is_refused_in_one_line(step: Any, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        checked_step(step)

    assert str(caught.value).startswith(message) and "\n" not in str(caught.value)


def test_the_error_has_the_number_of_the_wrong_step() -> None:
    with pytest.raises(ConfigError, match=r"^step 2: add: `value` is missing"):
        checked_steps([add("a", 1), {"op": "add", "parameter": "b"}])


def test_a_removed_name_may_not_return_in_the_same_migration() -> None:
    with pytest.raises(ConfigError, match=r"^step 2 creates `a`, which step 1 removes"):
        checked_steps([rename("a", "b"), add("a", 5)])
    assert checked_steps([rename("a", "b", of="Forest"), add("a", 5, of="Line")])


def test_a_migration_without_steps_is_refused() -> None:
    with pytest.raises(ConfigError, match="it has no steps"):
        checked_steps([])


# -- for all trees -------------------------------------------------------------------------------------------

NAMES = st.sampled_from(["a", "b", "c", "d"])
CLASSES = st.sampled_from(["A", "B", "C"])
LEAVES = st.none() | st.booleans() | st.integers(0, 3) | st.floats(0, 1) | st.text("xy", max_size=2)


def _sections(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    plain = st.dictionaries(NAMES, inner, max_size=4)
    return plain | st.builds(lambda name, body: {"className": name, **body}, CLASSES, plain) | (
        st.lists(inner, max_size=3))


VALUES = st.recursive(LEAVES, _sections, max_leaves=20)
TREES = st.dictionaries(NAMES, VALUES, max_size=4)
STEPS = st.one_of(
    st.builds(add, NAMES, LEAVES, of=CLASSES | st.none()),
    st.builds(lambda a, b, of: {"op": "rename", "parameter": a, "to": b} | ({"of": of} if of else {}),
              NAMES, st.sampled_from(["new", "a", "b"]), CLASSES | st.none()),
    st.builds(lambda a, b: {"op": "move", "parameter": a, "to": b}, st.sampled_from(["a", "a.b", "c.d"]),
              st.sampled_from(["new", "b.new", "d"])),
    st.builds(lambda a, old, of: map_values(a, [[old, "new"]], of=of), NAMES, LEAVES, CLASSES | st.none()),
    st.builds(lambda a: rename_class(a, "New"), CLASSES),
).filter(lambda step: step.get("parameter", "").rpartition(".")[2] != step.get("to"))


@given(TREES, STEPS)
def test_a_step_is_idempotent(tree: dict[str, Any], step: dict[str, Any]) -> None:
    before = copy.deepcopy(tree)
    try:
        once = applied([step], {"className": "A"}, tree)
    except ConfigError:
        assert canonical(tree) == canonical(before)
        return

    assert canonical(tree) == canonical(before)
    assert applied([step], *once) == once
    assert canonical(applied([step], *once)[1]) == canonical(once[1])


@given(TREES, st.lists(STEPS, max_size=4))
def test_other_parameters_are_unchanged(tree: dict[str, Any], steps: list[dict[str, Any]]) -> None:
    apart = {"className": "Z", "a": [1, {"z": None}], "kept": {"className": "Y", "c": 1.0}}

    try:
        _, after = applied(steps, {"className": "Z"}, {**tree, "apart": apart})
    except ConfigError:
        return
    assert canonical(after["apart"]) == canonical(apart) and list(after["apart"]) == list(apart)


@given(TREES, st.lists(STEPS, max_size=4))
def test_no_value_is_lost(tree: dict[str, Any], steps: list[dict[str, Any]]) -> None:
    """Except mapped values, and the second of two equal values under one name."""
    kept = [step for step in steps if step["op"] != "map_values"]

    def leaves(value: Any) -> set[str]:
        if isinstance(value, dict):
            return set().union(*[leaves(inner) for key, inner in value.items() if key != "className"], set())
        return set().union(*map(leaves, value), set()) if isinstance(value, list) else {canonical(value)}

    try:
        _, after = applied(kept, {"className": "Z"}, tree)
    except ConfigError:
        return
    assert leaves(tree) <= leaves(after)


@given(TREES, st.lists(STEPS, max_size=4))
def test_the_order_of_the_keys_is_kept(tree: dict[str, Any], steps: list[dict[str, Any]]) -> None:
    kept = [step for step in steps if step["op"] in ("add", "map_values", "rename_class")]

    try:
        _, after = applied(kept, {"className": "Z"}, tree)
    except ConfigError:
        return
    assert list(after)[:len(tree)] == list(tree)
