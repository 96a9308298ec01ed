"""A stored tree beside today's signatures, section by section."""

from __future__ import annotations

import copy
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from hyperspace_core.components import Scenario
from hyperspace_core.config.complete import complete
from hyperspace_core.config.sections import Section, component_sections, own_default, sections
from hyperspace_core.config.tree import MISSING, canonical

from .zoo import CATALOG, EVERYTHING

CONFIG: dict[str, Any] = complete({
    "scaler": "Standard",
    "aggregation": {"className": "Attention", "inner": {"className": "Bottleneck", "layers": [1]}},
    "layers": ["Dense", {"className": "Dropout", "share": 0.2}],
    "named": {"head": "Dense", "tail": {"className": "Dropout"}},
    "model": {"className": "Support", "C": 2.0},
}, EVERYTHING, CATALOG)


def walked(tree: dict[str, Any], written: Any = MISSING) -> dict[str, Section]:
    return {section.path: section for section in sections(tree, EVERYTHING, CATALOG, written)}


def test_every_section_is_met_from_the_top_down() -> None:
    assert list(walked(CONFIG)) == [
        "", "classifier", "scaler", "aggregation", "aggregation.inner", "layers.0", "layers.1", "named.head",
        "named.tail", "training", "training.optimizer", "model"]


def test_a_parameter_is_named_from_its_component_on() -> None:
    found = walked(CONFIG)

    assert found[""].label("rates") == "Everything.single_run.rates"
    assert found["layers.1"].label("share") == "Dropout.share"
    assert found["training.optimizer"].parameter("lr") == "training.optimizer.lr"
    assert found["training.optimizer"].label("lr") == "Everything.single_run.training.optimizer.lr"
    assert [found[path].fills for path in ("classifier", "layers.1", "named.tail")] == [
        "classifier", "layers", "named"]


def test_a_section_starts_from_the_object_that_is_a_default_only_where_it_is_of_its_class() -> None:
    assert walked(CONFIG)["classifier"].base == {"className": "Forest", "trees": 20, "max_depth": None}
    assert walked(CONFIG, {"classifier": {"max_depth": 2}})["classifier"].base["trees"] == 20
    assert walked(CONFIG, {"classifier": "Forest"})["classifier"].base == {}
    assert walked(CONFIG)["model"].base == {}


def test_an_old_name_of_a_class_is_kept_beside_todays() -> None:
    tree = CONFIG | {"classifier": {"className": "HugeForest", "trees": 1}}
    found = walked(tree)["classifier"]

    assert found.entry is not None and (found.called, found.entry.name) == ("HugeForest", "BigForest")


def test_what_does_not_fit_is_passed_over() -> None:
    tree = {"classifier": {"className": "Nobody"}, "scaler": 5, "layers": "x", "named": [1], "training": None,
            "model": {"className": 3}, "unknown": {"className": "Forest"}}

    assert list(walked(tree)) == [""]
    assert list(component_sections(Scenario, {"className": "Gone"}, CATALOG, path="scenario")) == []


def test_what_was_written_is_found_under_any_spelling() -> None:
    found = walked(CONFIG, {"Classifier": {"trees": 5}, "layers": ["Dense", {"share": 0.2}]})

    assert found[""].written_of("classifier") == {"trees": 5}
    assert found["classifier"].written_of("trees") == 5
    assert found["layers.1"].written_of("share") == 0.2 and not found["layers.1"].whole
    assert found["named.head"].whole and found["classifier"].written_of("max_depth") is MISSING


def gaps(tree: dict[str, Any]) -> list[tuple[Section, str, Any]]:
    """What the sections lack and have a default for."""
    return [(section, parameter.name, value) for section in sections(tree, EVERYTHING, CATALOG)
            for parameter in section.signature.parameters if parameter.name not in section.given
            and (value := own_default(section.signature, parameter, CATALOG)) is not MISSING]


@given(st.data())
def test_what_is_left_out_and_filled_in_again_makes_the_tree_complete(data: st.DataObject) -> None:
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
