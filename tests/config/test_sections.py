"""The sections of a stored tree, matched with the current signatures."""

from __future__ import annotations

import copy
from typing import Any

from hypothesis import given, strategies as st

from hyperspace_core.components import Scenario
from hyperspace_core.config.complete import complete
from hyperspace_core.config.tree import MISSING, canonical
from hyperspace_core.config.walk import ConfigSection, component_sections, own_default, sections
from support.zoo import CATALOG, EVERYTHING

CONFIG: dict[str, Any] = complete({
    "scaler": "Standard",
    "aggregation": {"className": "Attention", "inner": {"className": "Bottleneck", "layers": [1]}},
    "layers": ["Dense", {"className": "Dropout", "share": 0.2}],
    "named": {"head": "Dense", "tail": {"className": "Dropout"}},
    "model": {"className": "Support", "C": 2.0},
}, EVERYTHING, CATALOG)


def walked(tree: dict[str, Any], written: Any = MISSING) -> dict[str, ConfigSection]:
    return {section.path: section for section in sections(tree, EVERYTHING, CATALOG, written)}


def test_sections_are_listed_from_the_top_down() -> None:
    assert list(walked(CONFIG)) == [
        "", "classifier", "scaler", "aggregation", "aggregation.inner", "layers.0", "layers.1", "named.head",
        "named.tail", "training", "training.optimizer", "model"]


def test_a_parameter_is_named_relative_to_its_component() -> None:
    found = walked(CONFIG)

    assert found[""].label("rates") == "Everything.single_run.rates"
    assert found["layers.1"].label("share") == "Dropout.share"
    assert found["training.optimizer"].parameter("lr") == "training.optimizer.lr"
    assert found["training.optimizer"].label("lr") == "Everything.single_run.training.optimizer.lr"
    assert [found[path].fills for path in ("classifier", "layers.1", "named.tail")] == [
        "classifier", "layers", "named"]


def test_a_default_object_is_the_base_only_of_its_own_class() -> None:
    assert walked(CONFIG)["classifier"].base == {"className": "Forest", "trees": 20, "max_depth": None}
    assert walked(CONFIG, {"classifier": {"max_depth": 2}})["classifier"].base["trees"] == 20
    assert walked(CONFIG, {"classifier": "Forest"})["classifier"].base == {}
    assert walked(CONFIG)["model"].base == {}


def test_a_former_class_name_is_kept_beside_the_current_one() -> None:
    tree = CONFIG | {"classifier": {"className": "HugeForest", "trees": 1}}
    found = walked(tree)["classifier"]

    assert found.entry is not None and (found.called, found.entry.name) == ("HugeForest", "BigForest")


def test_values_that_do_not_fit_are_skipped() -> None:
    tree = {"classifier": {"className": "Gone"}, "scaler": 5, "layers": "x", "named": [1], "training": None,
            "model": {"className": 3}, "unknown": {"className": "Forest"}}

    assert list(walked(tree)) == [""]
    assert list(component_sections(Scenario, {"className": "Gone"}, CATALOG, path="scenario")) == []


def test_written_values_are_found_in_any_spelling() -> None:
    found = walked(CONFIG, {"Classifier": {"trees": 5}, "layers": ["Dense", {"share": 0.2}]})

    assert found[""].written_of("classifier") == {"trees": 5}
    assert found["classifier"].written_of("trees") == 5
    assert found["layers.1"].written_of("share") == 0.2 and not found["layers.1"].whole
    assert found["named.head"].whole and found["classifier"].written_of("max_depth") is MISSING


def gaps(tree: dict[str, Any]) -> list[tuple[ConfigSection, str, Any]]:
    """The missing parameters that have a default."""
    return [(section, parameter.name, value) for section in sections(tree, EVERYTHING, CATALOG)
            for parameter in section.signature.parameters if parameter.name not in section.given
            and (value := own_default(section.signature, parameter, CATALOG)) is not MISSING]


@given(st.data())
def test_filling_missing_parameters_completes_the_tree(data: st.DataObject) -> None:
    tree = copy.deepcopy(CONFIG)
    there = [(section.path, parameter.name) for section in walked(tree).values()
             for parameter in section.signature.parameters
             if own_default(section.signature, parameter, CATALOG) is not MISSING]
    for path, name in data.draw(st.lists(st.sampled_from(there), unique=True)):
        section = walked(tree).get(path)
        if section is not None:
            section.given.pop(name, None)  # type: ignore[attr-defined]
    kept = {path: dict(section.given) for path, section in walked(tree).items()}

    for section, name, value in gaps(tree):
        section.given[name] = copy.deepcopy(value)  # type: ignore[index]

    assert gaps(tree) == []
    assert canonical(complete(tree, EVERYTHING, CATALOG)) == canonical(tree)
    after = walked(tree)
    assert all(after[path].given[name] == value for path, given in kept.items()
               for name, value in given.items())
