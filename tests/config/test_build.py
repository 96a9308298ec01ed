# ruff: noqa: B006 - instances as defaults are what is tested
from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from sklearn.ensemble import RandomForestClassifier
from sklearn.feature_extraction.text import TfidfVectorizer

from hyperspace_core.components import Lazy, Scenario
from hyperspace_core.config.build import build_arguments, build_component
from hyperspace_core.config.complete import complete, complete_component
from hyperspace_core.config.registry import Registry
from hyperspace_core.config.signature import Signature, signature_of, tree_of
from hyperspace_core.errors import ConfigError, RegistrationError, UnknownClassError
from support import zoo
from support.zoo import CATALOG, CONFIGS, EVERYTHING


def built(tree: dict[str, Any], signature: Signature, registry: Registry) -> dict[str, Any]:
    return build_arguments(complete(tree, signature, registry), signature, registry)


def test_objects_are_handed_over(everything: Signature, registry: Registry) -> None:
    arguments = built({}, everything, registry)
    lazy = arguments.pop("aggregation")
    assert arguments == {
        "classifier": zoo.Forest(trees=20),
        "scaler": None,
        "layers": [zoo.Dense(), zoo.Dropout(0.1)],
        "named": {"head": zoo.Dense(3)},
        "training": zoo.Training(epochs=3, optimizer=zoo.Optimizer(lr=0.5)),
        "mode": zoo.Mode.FAST,
        "folder": Path("data"),
        "rates": [0.5],
        "depth": 3,
        "choice": "auto",
        "model": zoo.Forest(),
        "raw": None,
        "pair": (1, "a"),
        "tags": frozenset({"a", "b"}),
        "anything": None,
    }
    assert isinstance(arguments["tags"], frozenset)
    assert isinstance(lazy, Lazy)
    assert (lazy(dv=400).dv, lazy(dv=400).layers) == (400, (50,))


def test_lazy_in_lazy(everything: Signature, registry: Registry) -> None:
    attention = built({"aggregation": "Attention"}, everything, registry)["aggregation"](dv=3)
    assert (attention.heads, attention.inner(dv=4).layers) == (4, (7,))


def test_lazy_builds_a_fresh_object_each_time_and_the_call_wins(
    everything: Signature, registry: Registry
) -> None:
    lazy = built({"aggregation": {"className": "Bottleneck", "dropouts": [0.5]}}, everything, registry)[
        "aggregation"
    ]
    first, second = lazy(dv=1), lazy(dv=1, layers=(9,))
    first.dropouts.append(0.1)
    assert second.dropouts == [0.5]
    assert second.layers == (9,)


def test_nothing_is_shared_between_runs(registry: Registry) -> None:
    @dataclass
    class Listed(zoo.Scaler):
        items: list[list[int]]

    shared = Listed([[1]])

    def function(scaler: zoo.Scaler = shared, raw: dict = {"a": [1]}): ...

    registry.add(zoo.Scaler, Listed)
    signature = signature_of(function)
    tree = complete({}, signature, registry)
    one, two = build_arguments(tree, signature, registry), build_arguments(tree, signature, registry)
    one["scaler"].items[0].append(2)
    one["raw"]["a"].append(2)
    assert two == {"scaler": Listed([[1]]), "raw": {"a": [1]}}
    assert shared == Listed([[1]])
    assert (
        complete({}, signature, registry)
        == tree
        == {"scaler": {"className": "Listed", "items": [[1]]}, "raw": {"a": [1]}}
    )


def test_plain_settings_in_the_place_of_a_component(everything: Signature, registry: Registry) -> None:
    assert built({"model": {"layers": [1]}}, everything, registry)["model"] == {"layers": [1]}


def test_a_component_by_section_alias_or_name(registry: Registry) -> None:
    assert build_component(
        zoo.Classifier, {"className": "HugeForest", "leaves": 2}, registry
    ) == zoo.BigForest(leaves=2)
    assert build_component(zoo.Classifier, "Forest", registry) == zoo.Forest()
    assert build_component(Scenario, {"className": "Holdout", "test_share": 0.5}, registry).test_share == 0.5


def test_third_party_objects_get_their_own_types(registry: Registry) -> None:
    for target in (RandomForestClassifier, TfidfVectorizer):
        registry.add(zoo.Classifier, target)
    tree = complete_component(zoo.Classifier, "TfidfVectorizer", registry)
    assert "dtype" not in tree  # a class: only the constructor can hold it
    vectorizer = build_component(zoo.Classifier, tree, registry)
    assert vectorizer.ngram_range == (1, 1)
    assert vectorizer.fit_transform(["a word", "words"]).shape == (2, 2)
    forest = build_component(
        zoo.Classifier,
        complete_component(
            zoo.Classifier, {"className": "RandomForestClassifier", "n_estimators": 3}, registry
        ),
        registry,
    )
    assert len(forest.fit([[0], [1]], [0, 1]).estimators_) == 3


@pytest.mark.parametrize(
    ("tree", "message"),
    [
        ({"classifier": {"className": "Gone"}}, "`classifier.className`: no classifier 'Gone'"),
        ({"classifier": 3}, "`classifier`: expected Classifier, found int 3; complete the config first"),
        (
            {"classifier": {"className": "Forest", "gone": 1}},
            "`classifier.gone`: Forest has no such parameter",
        ),
        ({"pair": [1]}, "`pair`: expected tuple[int, str]"),
        ({"depth": "x"}, "`depth`: expected int, found str 'x'"),
        ({"layers": {}}, "`layers`: expected list[Layer]"),
        ({"named": []}, "`named`: expected dict[str, Layer]"),
        ({"choice": []}, "`choice`: expected int | str"),
    ],
)
def test_trees_that_do_not_fit(
    tree: dict[str, Any], message: str, everything: Signature, registry: Registry
) -> None:
    with pytest.raises(ConfigError) as error:
        build_arguments(tree, everything, registry)
    assert str(error.value).startswith(message)
    assert isinstance(error.value, UnknownClassError) == ("Gone" in message)


def test_exceptions_of_a_constructor_pass_through(registry: Registry) -> None:
    class Picky(zoo.Scaler):
        def __init__(self, n: int = 1) -> None:
            if n > 1:
                raise ZeroDivisionError("mine")

    registry.add(zoo.Scaler, Picky)
    with pytest.raises(ZeroDivisionError, match="mine"):
        build_component(zoo.Scaler, {"className": "Picky", "n": 2}, registry)


# -- instances read back --------------------------------------------------------------------------------


def test_tree_of() -> None:
    assert tree_of(zoo.Standard(mean=False)) == {"className": "Standard", "mean": False, "std": True}
    assert tree_of(zoo.Training(epochs=2))["optimizer"]["lr"] == 0.5
    assert tree_of(Lazy(zoo.Bottleneck, layers=[3])) == {"className": "Bottleneck", "layers": [3]}
    assert tree_of(RandomForestClassifier(n_estimators=3))["n_estimators"] == 3
    assert tree_of(zoo.Standard(), lambda family, target: f"{family.__name__}/{target.__name__}")[
        "className"
    ] == ("Scaler/Standard")
    with pytest.raises(RegistrationError, match="no attribute `factor`"):
        tree_of(zoo.Forgetful())


def test_an_attribute_of_another_type_is_named() -> None:
    with pytest.raises(RegistrationError, match=r"^Dense.units: expected int, found str 'x'$"):
        tree_of(zoo.Dense("x"))  # type: ignore[arg-type]


@settings(deadline=None)
@given(CONFIGS)
def test_a_built_object_reads_back_as_its_config(config: dict[str, Any]) -> None:
    completed = complete(config, EVERYTHING, CATALOG)
    arguments = build_arguments(completed, EVERYTHING, CATALOG)
    for name in ("classifier", "training"):
        assert {"x": tree_of(arguments[name])} == {"x": completed[name]}
    assert [tree_of(layer) for layer in arguments["layers"]] == completed["layers"]
