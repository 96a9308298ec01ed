from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import pytest
from sklearn.ensemble import RandomForestClassifier

from hyperspace_core.components import Component, Dataset, Scenario
from hyperspace_core.config.complete import complete_component
from hyperspace_core.config.registry import Registry, is_abstract
from hyperspace_core.errors import RegistrationError, UnknownClassError
from support import zoo


def test_find_by_name_and_alias(registry: Registry) -> None:
    entry = registry.find(zoo.Classifier, "HugeForest")
    assert (entry.name, entry.target, entry.family, entry.aliases) == (
        "BigForest",
        zoo.BigForest,
        zoo.Classifier,
        ("HugeForest",),
    )
    assert registry.find(zoo.Classifier, "Forest").target is zoo.Forest
    assert [e.name for e in registry.entries(zoo.Classifier)] == ["BigForest", "Forest", "Support"]
    families = list(dict.fromkeys(entry.family for entry in registry.entries()))
    assert families == [zoo.Classifier, zoo.Scaler, zoo.Aggregation, zoo.Layer, Scenario]
    assert len(registry.entries()) == 11


def test_an_unknown_class_error_lists_known_and_nearest_names(registry: Registry) -> None:
    registry.note("plugin 'x' failed to load: no module named 'torch'")
    with pytest.raises(UnknownClassError) as error:
        registry.find(zoo.Aggregation, "Bottelneck")
    assert str(error.value) == (
        "no aggregation 'Bottelneck'. Known: Attention, Bottleneck. Did you mean 'Bottleneck'? "
        "(plugin 'x' failed to load: no module named 'torch')"
    )


def test_a_long_list_of_known_names_is_cut() -> None:
    registry = Registry()
    for number in range(30):
        registry.add(zoo.Scaler, zoo.Standard, name=f"S{number}")
    with pytest.raises(UnknownClassError, match="and 10 more"):
        registry.find(zoo.Scaler, "Unknown")


def test_a_family_without_classes() -> None:
    with pytest.raises(UnknownClassError, match="Known: none"):
        Registry().find(zoo.Scaler, "Standard")


def test_two_classes_of_one_name_are_refused_with_both_places(registry: Registry) -> None:
    @dataclass
    class Forest(zoo.Classifier):
        n: int = 1

    with pytest.raises(RegistrationError) as error:
        registry.add(zoo.Classifier, Forest, origin="distribution forests")
    message = str(error.value)
    assert f"{zoo.__name__}:" in message
    assert f"{__name__}:" in message
    assert "distribution forests" in message
    assert "\n" not in message


def test_an_alias_may_not_be_another_classes_name(registry: Registry) -> None:
    @dataclass
    class Newer(zoo.Classifier):
        aliases: ClassVar[tuple[str, ...]] = ("Forest",)

    with pytest.raises(RegistrationError, match="'Forest'"):
        registry.add(zoo.Classifier, Newer)


def test_aliases_are_not_inherited() -> None:
    class Child(zoo.BigForest):
        pass

    registry = zoo.make_registry()
    assert registry.add(zoo.Classifier, Child).aliases == ()


def test_aliases_must_be_names() -> None:
    class Wrong(zoo.Scaler):
        aliases = "Old"  # type: ignore[assignment]

    with pytest.raises(RegistrationError, match=r"Wrong.aliases: expected a tuple of names, found 'Old'"):
        Registry().add(zoo.Scaler, Wrong)


def test_the_same_class_again_is_fine(registry: Registry) -> None:
    before = registry.entries()
    registry.add(zoo.Classifier, zoo.Forest)
    assert registry.entries() == before


def test_names_are_unique_within_a_family_only(registry: Registry) -> None:
    class Standard(zoo.Classifier):
        pass

    registry.add(zoo.Classifier, Standard)
    assert registry.find(zoo.Classifier, "Standard").target is Standard
    assert registry.find(zoo.Scaler, "Standard").target is zoo.Standard


def test_families_of_one_name_differ_by_class() -> None:
    own = type("Dataset", (Component,), {})
    registry = Registry()
    mine, cores = type("Digits", (own,), {}), type("Digits", (Dataset,), {})
    registry.add(own, mine)
    registry.add(Dataset, cores)
    assert registry.find(own, "Digits").target is mine
    assert registry.find(Dataset, "Digits").target is cores


def test_a_class_defined_again_replaces_the_old_one() -> None:
    # a notebook's cell run twice, a module reloaded
    registry, scope = Registry(), {"Scaler": zoo.Scaler, "__name__": "notebook"}
    source = "class Mine(Scaler):\n    aliases = ('Old',)\n    def __init__(self, n: int = {}): self.n = n\n"
    for number in (1, 2):
        cell = compile(source.format(number), "cell", "exec", dont_inherit=True)
        exec(cell, scope)  # how a notebook runs a cell
        registry.add(zoo.Scaler, scope["Mine"])
    assert complete_component(zoo.Scaler, "Old", registry) == {"className": "Mine", "n": 2}
    assert len(registry.entries(zoo.Scaler)) == 1


def test_replace_takes_the_name_and_drops_the_old_aliases(registry: Registry) -> None:
    class Other(zoo.Classifier):
        pass

    registry.replace(zoo.Classifier, Other, name="BigForest")
    assert registry.find(zoo.Classifier, "BigForest").target is Other
    with pytest.raises(UnknownClassError):
        registry.find(zoo.Classifier, "HugeForest")
    with pytest.raises(UnknownClassError, match="not registered"):
        registry.name_of(zoo.Classifier, zoo.BigForest)


def test_below_narrows_the_choice(registry: Registry) -> None:
    assert registry.find(zoo.Classifier, "BigForest", below=zoo.Forest).target is zoo.BigForest
    with pytest.raises(UnknownClassError, match=r"no forest 'Support'. Known: BigForest, Forest\."):
        registry.find(zoo.Classifier, "Support", below=zoo.Forest)


def test_abstract_classes_are_not_registered() -> None:
    class Abstract(zoo.Scaler, ABC):
        @abstractmethod
        def scale(self) -> None: ...

    class Concrete(Abstract):
        def scale(self) -> None: ...

    assert [is_abstract(c) for c in (zoo.Scaler, Abstract, Concrete, zoo.Standard)] == [
        True,
        True,
        False,
        False,
    ]
    for target in (zoo.Scaler, Abstract):
        with pytest.raises(RegistrationError, match=f"{target.__name__}: abstract"):
            Registry().add(zoo.Scaler, target)


@pytest.mark.parametrize("family", [zoo.Standard, Component, int, "Scaler"])
def test_a_family_is_a_direct_subclass_of_component(family: type) -> None:
    with pytest.raises(RegistrationError, match="not a family"):
        Registry().add(family, zoo.Standard)


@pytest.mark.parametrize("name", ["", " ", "a\nb", 3])
def test_names_are_printable_text(name: str) -> None:
    with pytest.raises(RegistrationError, match="must be printable"):
        Registry().add(zoo.Scaler, zoo.Standard, name=name)


def test_a_third_party_class_joins_untouched(registry: Registry) -> None:
    registry.add(zoo.Classifier, RandomForestClassifier, name="Sklearn")
    tree = complete_component(zoo.Classifier, {"className": "Sklearn", "n_estimators": 7}, registry)
    assert tree["n_estimators"] == 7
    assert tree["max_features"] == "sqrt"


def test_a_bad_signature_is_found_at_registration() -> None:
    class Bad(zoo.Scaler):
        def __init__(self, n: int = "x") -> None: ...  # type: ignore[assignment]

    with pytest.raises(RegistrationError, match=r"Bad.n: expected int, found str 'x'"):
        Registry().add(zoo.Scaler, Bad)
