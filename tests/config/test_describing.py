from __future__ import annotations

from enum import Enum

import pytest

from hyperspace_core.config.signature import signature_of
from hyperspace_core.config.walk import described_parameters, range_text
from hyperspace_core.ranges import Choice, Float, Int, Range
from support.zoo import CATALOG, EVERYTHING, Attention, Forest, Optimizer


def test_a_parameter_has_its_type_range_default_and_help() -> None:
    trees, depth = described_parameters(signature_of(Forest), CATALOG)

    assert (trees.name, trees.type, trees.default, trees.range, trees.help, trees.required) == (
        "trees", "int", 100, Int(10, 1000, log=True), "how many", False)
    assert (depth.type, depth.default, depth.range) == ("int | None", None, None)


def test_a_component_lists_its_classes_and_default_tree() -> None:
    found = {one.name: one for one in described_parameters(EVERYTHING, CATALOG)}

    assert found["classifier"].choices == ("BigForest", "Forest", "Support")
    assert found["classifier"].default == {"className": "Forest", "trees": 20, "max_depth": None}
    assert found["layers"].choices == ("Dense", "Dropout")
    assert found["scaler"].choices == ("Standard", "Unscaled")
    assert found["depth"].choices == ()


def test_a_lazy_component_is_a_choice_without_run_time_arguments() -> None:
    dv, _, inner = described_parameters(signature_of(Attention), CATALOG)

    assert (dv.required, dv.default) == (True, None)
    assert inner.choices == ("Attention", "Bottleneck")


def test_the_fields_of_a_dataclass_follow_it_with_their_paths() -> None:
    names = [one.name for one in described_parameters(EVERYTHING, CATALOG)]

    assert names[names.index("training"):names.index("mode")] == [
        "training", "training.epochs", "training.optimizer", "training.optimizer.lr",
        "training.optimizer.betas", "training.optimizer.name",
    ]


class Speed(Enum):
    SLOW = 1
    FAST = 2


def test_the_choices_of_an_enum_are_its_members() -> None:
    def train(speed: Speed = Speed.SLOW, others: list[Speed] | None = None) -> None: ...

    found = described_parameters(signature_of(train), CATALOG)
    assert [one.choices for one in found] == [("SLOW", "FAST")] * 2


@pytest.mark.parametrize(("given", "text"), [
    (Int(1, 9), "1 to 9"),
    (Int(0, 100, step=10), "0 to 100, in steps of 10"),
    (Float(1e-5, 1, log=True), "1e-05 to 1, log"),
    (Float(0.0, 1000.0), "0 to 1000"),
    (Choice("adam", 3), "one of adam, 3"),
])
def test_a_range_in_words(given: Range, text: str) -> None:
    assert range_text(given) == text


def test_the_range_of_a_nested_field_is_its_own() -> None:
    lr, *_, name = described_parameters(signature_of(Optimizer), CATALOG)

    assert lr.range == Float(1e-5, 1, log=True)
    assert name.range == Choice("adam", "sgd")
