# ruff: noqa: B008 - instances as defaults are what is tested
from __future__ import annotations

import copy
import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from sklearn.ensemble import RandomForestClassifier

from hyperspace_core.components import Component, Lazy, Scenario
from hyperspace_core.config.complete import complete, complete_component
from hyperspace_core.config.registry import Registry
from hyperspace_core.config.signature import Signature, signature_of, signature_of_method
from hyperspace_core.config.tree import digest, merge
from hyperspace_core.errors import ConfigError, UnknownClassError
from support import zoo
from support.zoo import CATALOG, CONFIGS, EVERYTHING, JSON


def validate(tree: Any, signature: Signature, registry: Registry, path: str = "") -> tuple[str, ...]:
    try:
        complete(tree, signature, registry, path=path)
    except ConfigError as error:
        return error.problems
    return ()


def problems(tree: Any, signature: Signature, registry: Registry) -> tuple[str, ...]:
    found = validate(tree, signature, registry)
    assert all("\n" not in problem for problem in found)
    return found


def of(registry: Registry, function: Any, **tree: Any) -> Any:
    """A function's config, completed."""
    return complete(tree, signature_of(function), registry)


# -- defaults -------------------------------------------------------------------------------------------


def test_defaults_are_filled_at_every_depth(everything: Signature, registry: Registry) -> None:
    assert complete({}, everything, registry) == {
        "classifier": {"className": "Forest", "trees": 20, "max_depth": None},
        "scaler": None,
        "aggregation": {"className": "Bottleneck", "layers": [50], "dropouts": None},
        "layers": [{"className": "Dense", "units": 10}, {"className": "Dropout", "share": 0.1}],
        "named": {"head": {"className": "Dense", "units": 3}},
        "training": {"epochs": 3, "optimizer": {"lr": 0.5, "betas": [0.9, 0.99], "name": "adam"}},
        "mode": "FAST",
        "folder": "data",
        "rates": [0.5],
        "depth": 3,
        "choice": "auto",
        "model": {"className": "Forest", "trees": 100, "max_depth": None},
        "raw": None,
        "pair": [1, "a"],
        "tags": ["a", "b"],
        "anything": None,
    }


def test_partial_sections_keep_the_defaults_around_them(everything: Signature, registry: Registry) -> None:
    tree = complete(
        {
            "training": {"optimizer": {"name": "sgd"}},
            "layers": [{"className": "Dense"}, "Dropout"],
            "named": {"head": {"units": 7}, "foot": "Dropout"},
        },
        everything,
        registry,
    )
    assert tree["training"] == {"epochs": 3, "optimizer": {"lr": 0.5, "betas": [0.9, 0.99], "name": "sgd"}}
    assert tree["layers"] == [{"className": "Dense", "units": 10}, {"className": "Dropout", "share": 0.5}]
    assert tree["named"] == {
        "head": {"className": "Dense", "units": 7},
        "foot": {"className": "Dropout", "share": 0.5},
    }


def test_another_class_replaces_the_whole_subtree(everything: Signature, registry: Registry) -> None:
    tree = complete({"classifier": {"className": "Support", "C": 1}}, everything, registry)
    assert tree["classifier"] == {"className": "Support", "C": 1.0, "kernel": "rbf"}


def test_an_update_without_class_keeps_the_class(everything: Signature, registry: Registry) -> None:
    tree = complete({"classifier": {"max_depth": 2}}, everything, registry)
    assert tree["classifier"] == {"className": "Forest", "trees": 20, "max_depth": 2}


def test_the_same_class_updates_but_a_bare_name_resets(
    everything: Signature, registry: Registry
) -> None:
    update = complete({"classifier": {"className": "Forest"}}, everything, registry)
    bare = complete({"classifier": "Forest"}, everything, registry)
    assert (update["classifier"]["trees"], bare["classifier"]["trees"]) == (20, 100)


def test_an_alias_becomes_the_current_name(holdout: Signature, registry: Registry) -> None:
    tree = complete({"classifier": {"className": "HugeForest", "leaves": 2}}, holdout, registry)
    assert tree["classifier"] == {"className": "BigForest", "trees": 100, "max_depth": None, "leaves": 2}


def test_a_lazy_section_may_lack_run_time_arguments(everything: Signature, registry: Registry) -> None:
    tree = complete({"aggregation": {"className": "Attention"}}, everything, registry)
    assert tree["aggregation"] == {
        "className": "Attention",
        "heads": 4,
        "inner": {"className": "Bottleneck", "layers": [7], "dropouts": None},
    }
    assert complete({"aggregation": {"dv": 3}}, everything, registry)["aggregation"]["dv"] == 3


def test_optional_components(everything: Signature, registry: Registry) -> None:
    assert complete({"scaler": "Unscaled"}, everything, registry)["scaler"] == {"className": "Unscaled"}
    assert problems({"scaler": {"mean": True}}, everything, registry) == (
        "`scaler.className`: missing; choose the Scaler: Standard, Unscaled",
    )


def test_a_concrete_annotation_needs_no_class_name(registry: Registry) -> None:
    def function(forest: zoo.Forest): ...

    assert of(registry, function, forest={"trees": 7})["forest"]["className"] == "Forest"
    assert of(registry, function, forest="BigForest")["forest"]["leaves"] == 5
    assert problems({"forest": "Support"}, signature_of(function), registry) == (
        "`forest`: no forest 'Support'. Known: BigForest, Forest.",
    )


def test_two_components_of_one_family_and_families_of_one_name(registry: Registry) -> None:
    other = type("Scaler", (Component,), {})
    registry.add(other, type("Standard", (other,), {}))

    def function(
        first: zoo.Scaler = zoo.Standard(), second: zoo.Scaler = zoo.Unscaled(), third: other = None
    ): ...

    function.__annotations__ = {"first": zoo.Scaler, "second": zoo.Scaler, "third": other | None}
    tree = of(registry, function, second="Standard", third="Standard")
    assert tree == {
        "first": {"className": "Standard", "mean": True, "std": True},
        "second": {"className": "Standard", "mean": True, "std": True},
        "third": {"className": "Standard"},
    }


def test_a_third_party_instance_as_default(registry: Registry) -> None:
    def function(classifier: zoo.Classifier = RandomForestClassifier(n_estimators=7)): ...

    assert "not registered as Classifier" in problems({}, signature_of(function), registry)[0]
    registry.add(zoo.Classifier, RandomForestClassifier, name="Sklearn")
    tree = of(registry, function)["classifier"]
    assert (tree["className"], tree["n_estimators"]) == ("Sklearn", 7)
    assert of(registry, function, classifier={"max_depth": 3})["classifier"]["n_estimators"] == 7


def test_an_unregistered_default_matters_only_where_it_is_used(holdout: Signature,
                                                               registry: Registry) -> None:
    bare = Registry()
    bare.add(zoo.Classifier, zoo.Forest)
    bare.add(zoo.Scaler, zoo.Unscaled)
    assert problems({"classifier": "Forest"}, holdout, bare) == (
        "`scaler`: the default is of class Standard, which is not registered as Scaler; register it",
    )
    assert complete({"classifier": "Forest", "scaler": "Unscaled"}, holdout, bare)["scaler"] == {
        "className": "Unscaled"
    }


# -- a component or plain settings ----------------------------------------------------------------------


def test_family_or_dict(everything: Signature, registry: Registry) -> None:
    settings = {"layers": [1, {"x": None}], "Classifier": "kept"}
    assert complete({"model": settings}, everything, registry)["model"] == settings
    tree = complete({"model": {"className": "Support", "C": 2}}, everything, registry)
    assert tree["model"] == {"className": "Support", "C": 2.0, "kernel": "rbf"}
    assert problems({"model": {"className": "Suport"}}, everything, registry) == (
        ("`model.className`: no classifier 'Suport'. Known: BigForest, Forest, Support. "
        "Did you mean 'Support'?"),
    )


def test_raw_values_are_copied(everything: Signature, registry: Registry) -> None:
    raw = {"a": {"b": [1]}, "t": (1, 2)}
    tree = complete({"raw": raw}, everything, registry)
    tree["raw"]["a"]["b"].append(2)
    assert raw == {"a": {"b": [1]}, "t": (1, 2)}
    assert tree["raw"]["t"] == [1, 2]


# -- old spellings --------------------------------------------------------------------------------------


def test_camel_case_keys_are_read(holdout: Signature, registry: Registry) -> None:
    assert (
        complete({"Classifier": {"className": "Forest"}}, holdout, registry)["classifier"]["className"]
        == "Forest"
    )


def test_camel_case_beside_snake_case_is_an_error(holdout: Signature, registry: Registry) -> None:
    assert problems({"classifier": "Forest", "Classifier": "Support"}, holdout, registry) == (
        "`Classifier`: the same parameter as `classifier`; keep one",
    )


def test_an_exact_name_wins(registry: Registry) -> None:
    def function(Rate: int = 1, rate: int = 2, C: float = 1.0): ...

    assert of(registry, function, Rate=5, rate=6, C=3) == {"Rate": 5, "rate": 6, "C": 3.0}


def test_the_ancestors_files_unchanged() -> None:
    """The ancestor's task and queue call, in the old spelling."""

    @dataclass
    class SmallTrainSample(Scenario):
        dataset: AncestorDataset

        def single_run(
            self,
            classifier: AncestorClassifier,
            training_schedule: Schedule,
            aggregation: Lazy[zoo.Aggregation] | None = None,
        ) -> float: ...

    registry = zoo.make_registry()
    for family, target in (
        (AncestorDataset, Imdb),
        (AncestorClassifier, AggregatingClassifier),
        (Schedule, DefaultSchedule),
        (Scenario, SmallTrainSample),
    ):
        registry.add(family, target)
    task = {
        "Scenario": {"className": "SmallTrainSample", "Dataset": {"className": "Imdb", "size": 100}},
        "seed": 42,
    }
    assert complete_component(Scenario, task["Scenario"], registry) == {
        "className": "SmallTrainSample",
        "dataset": {"className": "Imdb", "size": 100},
    }
    config = {
        "Classifier": {
            "className": "AggregatingClassifier",
            "drop_mult": 1,
            "lin_ftrs": [50],
            "Aggregation": {"className": "Bottleneck", "layers": [3]},
        },
        "TrainingSchedule": {"className": "DefaultSchedule", "cycles": 2},
    }
    assert complete(config, signature_of_method(SmallTrainSample, "single_run"), registry) == {
        "classifier": {
            "className": "AggregatingClassifier",
            "drop_mult": 1.0,
            "lin_ftrs": [50],
            "aggregation": {"className": "Bottleneck", "layers": [3], "dropouts": None},
        },
        "training_schedule": {"className": "DefaultSchedule", "cycles": 2, "lr": 0.01},
        "aggregation": None,
    }


class AncestorDataset(Component): ...


class AncestorClassifier(Component): ...


class Schedule(Component): ...


@dataclass
class Imdb(AncestorDataset):
    size: int = 10


@dataclass
class AggregatingClassifier(AncestorClassifier):
    aggregation: Lazy[zoo.Aggregation]
    drop_mult: float = 0.5
    lin_ftrs: list[int] | None = None


@dataclass
class DefaultSchedule(Schedule):
    cycles: int = 1
    lr: float = 0.01


# -- types ----------------------------------------------------------------------------------------------


def test_int_becomes_float_and_nothing_else_is_converted(registry: Registry) -> None:
    def function(f: float = 0.0, i: int = 0, b: bool = False, s: str = ""): ...

    completed = of(registry, function, f=1)
    assert type(completed["f"]) is float
    assert digest(completed) == digest(of(registry, function, f=1.0))
    assert problems({"f": True, "i": 3.0, "b": 1, "s": 1}, signature_of(function), registry) == (
        "`f`: expected float, found bool True",
        "`i`: expected int, found float 3.0",
        "`b`: expected bool, found int 1",
        "`s`: expected str, found int 1",
    )
    assert problems({"f": "0.5", "i": True, "b": None}, signature_of(function), registry) == (
        "`f`: expected float, found str '0.5'",
        "`i`: expected int, found bool True",
        "`b`: expected bool, found None",
    )
    assert problems({"i": 2**63, "f": 10**400}, signature_of(function), registry) == (
        "`f`: number too large for a float",
        "`i`: integer too large (limit 64 bit)",
    )
    assert math.isnan(of(registry, function, f=math.nan)["f"])


def test_scalars_of_numpy_are_unwrapped(registry: Registry) -> None:
    def function(f: float = 0.0, i: int = 0, b: bool = False, u: int | str = 0, a=None): ...

    tree = of(
        registry, function, f=np.float32(0.5), i=np.int64(3), b=np.bool_(True), u=np.array(7), a=np.float64(1)
    )
    assert [type(value) for value in tree.values()] == [float, int, bool, int, float]


def test_values_outside_a_search_range_are_accepted(holdout: Signature, registry: Registry) -> None:
    assert complete({"classifier": {"className": "Forest", "trees": 5000}}, holdout, registry)


def test_enums_literals_paths_and_tuples(everything: Signature, registry: Registry) -> None:
    tree = complete({"mode": "slow", "pair": (2, "b"), "folder": "x/y", "tags": ["z"]}, everything, registry)
    assert (tree["mode"], tree["pair"], tree["folder"], tree["tags"]) == ("SLOW", [2, "b"], "x/y", ["z"])
    assert problems({"mode": "FASST", "pair": [1], "folder": 3, "tags": "z"}, everything, registry) == (
        "`mode`: expected one of FAST, SLOW, found str 'FASST'; did you mean 'FAST'?",
        "`folder`: expected a path, found int 3",
        "`pair`: expected tuple[int, str], 2 items, found 1",
        "`tags`: expected frozenset[str], found str 'z'",
    )
    assert problems(
        {"classifier": {"className": "Support", "C": 1, "kernel": "rbff"}}, everything, registry
    ) == ("`classifier.kernel`: expected 'rbf' or 'linear', found str 'rbff'; did you mean 'rbf'?",)


def test_unions_of_values(everything: Signature, registry: Registry) -> None:
    assert complete({"choice": 3}, everything, registry)["choice"] == 3
    assert problems({"choice": [3]}, everything, registry) == (
        "`choice`: expected int | str, found list [3]",)

    def function(x: float | int, y: zoo.Classifier | zoo.Scaler, z: list[int] | int = 3): ...

    def named(scaler: zoo.Scaler | str = "auto"): ...

    assert of(registry, named) == {"scaler": "auto"}
    assert of(registry, named, scaler="Unscaled") == {"scaler": {"className": "Unscaled"}}
    tree = of(registry, function, x=1, y="Standard", z=[1])
    assert type(tree["x"]) is int
    assert tree["y"]["className"] == "Standard"
    assert tree["z"] == [1]
    assert problems({"x": 1, "y": 3}, signature_of(function), registry) == (
        "`y`: expected Classifier | Scaler, found int 3",
    )


def test_what_no_config_can_hold(registry: Registry) -> None:
    def function(weights: np.ndarray): ...

    assert (
        "but ndarray cannot be written in a config; give it a default"
        in problems({}, signature_of(function), registry)[0]
    )
    assert problems({"weights": [1]}, signature_of(function), registry) == (
        "`weights`: ndarray cannot be written in a config; found list [1]",
    )


# -- mistakes -------------------------------------------------------------------------------------------


def test_all_problems_of_a_tree_are_reported_together(everything: Signature, registry: Registry) -> None:
    tree = {
        "clasifier": 1,
        "classifier": {"tress": 1},
        "training": {"optimizer": {"lr": "fast"}},
        "layers": ["Dense", {"className": "Dnse"}],
        "named": {"a": {}},
        "scaler": 3,
    }
    with pytest.raises(UnknownClassError) as error:
        complete(tree, everything, registry)
    assert error.value.problems == (
        ("`clasifier`: Everything.single_run has no such parameter; did you mean `classifier`? (its "
         "**ignored is not read: name the argument in the signature)"),
        "`classifier.tress`: Forest has no such parameter; did you mean `trees`?",
        "`scaler`: expected Scaler (a name, or a section with className), found int 3",
        "`layers.1.className`: no layer 'Dnse'. Known: Dense, Dropout. Did you mean 'Dense'?",
        "`named.a.className`: missing; choose the Layer: Dense, Dropout",
        "`training.optimizer.lr`: expected float, found str 'fast'",
    )
    assert str(error.value) == "\n".join(error.value.problems)


def test_only_unknown_classes_are_unknown_class_errors(holdout: Signature, registry: Registry) -> None:
    with pytest.raises(ConfigError) as error:
        complete({"classifier": "Support"}, holdout, registry)
    assert not isinstance(error.value, UnknownClassError)
    assert error.value.problems == ("`classifier.C`: missing; Support needs it (float)",)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        (
            "Forrest",
            (
                "`classifier.className`: no classifier 'Forrest'. Known: BigForest, Forest, Support. "
                "Did you mean 'Forest'?"
            ),
        ),
        (3, "`classifier.className`: expected a class name, found int 3"),
        (None, "`classifier.className`: expected a class name, found None"),
        (["Forest"], "`classifier.className`: expected a class name, found list ['Forest']"),
    ],
)
def test_class_names(name: Any, message: str, holdout: Signature, registry: Registry) -> None:
    assert problems({"classifier": {"className": name}}, holdout, registry) == (message,)


def test_missing_class_name(holdout: Signature, registry: Registry) -> None:
    assert problems({"classifier": {}}, holdout, registry) == (
        "`classifier.className`: missing; choose the Classifier: BigForest, Forest, Support",
    )
    assert problems({}, holdout, registry) == (
        "`classifier`: missing; Holdout.single_run needs it (Classifier)",
    )


def test_a_misspelt_top_level_key_is_refused(holdout: Signature, registry: Registry) -> None:
    assert "`scalar`: Holdout.single_run has no such parameter; did you mean `scaler`?" in problems(
        {"classifier": "Forest", "scalar": {}}, holdout, registry
    )


def test_an_unknown_key_lists_the_parameters(holdout: Signature, registry: Registry) -> None:
    assert problems({"classifier": {"className": "Unscaled"}, "zzz": 1}, holdout, registry)[0] == (
        "`zzz`: Holdout.single_run has no such parameter; it has `classifier`, `scaler`"
    )
    assert problems(
        {"classifier": "Forest", "scaler": {"className": "Unscaled", "x": 1}}, holdout, registry
    ) == ("`scaler.x`: Unscaled has no such parameter; it has no parameters",)


def test_keys_must_be_strings(everything: Signature, registry: Registry) -> None:
    assert problems({1: 2}, everything, registry) == (
        "`Everything.single_run`: key 1 is int; keys must be strings",
    )
    assert problems({"named": {1: "Dense"}}, everything, registry) == (
        "`named`: key 1 is int; keys must be strings",
    )


def test_every_message_begins_with_the_path(registry: Registry) -> None:
    assert validate({"x": 1}, signature_of(zoo.Dense), registry, path="scenario.layer") == (
        "`scenario.layer.x`: Dense has no such parameter; it has `units`",
    )
    with pytest.raises(ConfigError, match=r"^`scenario.test_share`: expected float, found str 'x'$"):
        complete_component(Scenario, {"className": "Holdout", "test_share": "x"}, registry, path="scenario")


@pytest.mark.parametrize("tree", [3, None, [], "Forest"])
def test_a_config_is_a_section(tree: Any, holdout: Signature, registry: Registry) -> None:
    assert len(problems(tree, holdout, registry)) == 1


def test_an_unannotated_run_gets_a_hint(registry: Registry) -> None:
    def function(run, lr: float = 0.1): ...

    assert "annotate it `run: Run`" in problems({}, signature_of(function), registry)[0]


def test_too_deep_and_endless(everything: Signature, registry: Registry) -> None:
    endless: dict[str, Any] = {}
    endless["raw"] = endless
    with pytest.raises(ConfigError, match=r"nested deeper than 64 levels at raw\.raw\.raw"):
        complete(endless, everything, registry)


# -- laws -----------------------------------------------------------------------------------------------


@settings(deadline=None)
@given(CONFIGS)
def test_complete_is_idempotent_and_leaves_its_input_alone(config: dict[str, Any]) -> None:
    before = copy.deepcopy(config)
    completed = complete(config, EVERYTHING, CATALOG)
    assert config == before
    again = complete(completed, EVERYTHING, CATALOG)
    assert again == completed
    assert digest(again) == digest(completed)
    assert list(completed) == [p.name for p in EVERYTHING.parameters]


@settings(deadline=None)
@given(CONFIGS)
def test_a_config_merged_into_its_completion_changes_nothing(config: dict[str, Any]) -> None:
    completed = complete(config, EVERYTHING, CATALOG)
    config = {
        key: value for key, value in config.items() if key not in ("raw", "model")
    }  # free dicts merge deeply
    assert digest(complete(merge(completed, config), EVERYTHING, CATALOG)) == digest(completed)


@settings(deadline=None)
@given(JSON)
def test_no_json_value_breaks_completion(tree: Any) -> None:
    validate(tree, EVERYTHING, CATALOG)
    validate(
        {
            "classifier": tree,
            "layers": tree,
            "named": tree,
            "training": tree,
            "aggregation": tree,
            "pair": tree,
            "model": tree,
            "scaler": tree,
            "choice": tree,
            "mode": tree,
        },
        EVERYTHING,
        CATALOG,
    )
