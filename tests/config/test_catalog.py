from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import pytest
from sklearn.ensemble import RandomForestClassifier

from hyperspace_core.components import Component, Dataset, Scenario
from hyperspace_core.config.catalog import Catalog, is_abstract
from hyperspace_core.config.complete import complete_component
from hyperspace_core.errors import RegistrationError, UnknownClassError

from . import zoo


def test_find_by_name_and_alias(catalog: Catalog) -> None:
    entry = catalog.find(zoo.Classifier, "HugeForest")
    assert (entry.name, entry.target, entry.family, entry.aliases) == (
        "BigForest",
        zoo.BigForest,
        zoo.Classifier,
        ("HugeForest",),
    )
    assert catalog.find(zoo.Classifier, "Forest").target is zoo.Forest
    assert [e.name for e in catalog.entries(zoo.Classifier)] == ["BigForest", "Forest", "Support"]
    assert catalog.families() == (zoo.Classifier, zoo.Scaler, zoo.Aggregation, zoo.Layer, Scenario)
    assert len(catalog.entries()) == 11


def test_an_unknown_class_error_lists_known_and_nearest_names(catalog: Catalog) -> None:
    catalog.note("plugin 'x' failed to load: no module named 'torch'")
    with pytest.raises(UnknownClassError) as error:
        catalog.find(zoo.Aggregation, "Bottelneck")
    assert str(error.value) == (
        "no aggregation 'Bottelneck'. Known: Attention, Bottleneck. Did you mean 'Bottleneck'? "
        "(plugin 'x' failed to load: no module named 'torch')"
    )


def test_a_long_list_of_known_names_is_cut() -> None:
    catalog = Catalog()
    for number in range(30):
        catalog.add(zoo.Scaler, zoo.Standard, name=f"S{number}")
    with pytest.raises(UnknownClassError, match="and 10 more"):
        catalog.find(zoo.Scaler, "Unknown")


def test_a_family_without_classes() -> None:
    with pytest.raises(UnknownClassError, match="Known: none"):
        Catalog().find(zoo.Scaler, "Standard")


def test_two_classes_of_one_name_are_refused_with_both_places(catalog: Catalog) -> None:
    @dataclass
    class Forest(zoo.Classifier):
        n: int = 1

    with pytest.raises(RegistrationError) as error:
        catalog.add(zoo.Classifier, Forest, origin="distribution forests")
    message = str(error.value)
    assert f"{zoo.__name__}:" in message
    assert f"{__name__}:" in message
    assert "distribution forests" in message
    assert "\n" not in message


def test_an_alias_may_not_be_another_classes_name(catalog: Catalog) -> None:
    @dataclass
    class Newer(zoo.Classifier):
        aliases: ClassVar[tuple[str, ...]] = ("Forest",)

    with pytest.raises(RegistrationError, match="'Forest'"):
        catalog.add(zoo.Classifier, Newer)


def test_aliases_are_not_inherited() -> None:
    class Child(zoo.BigForest):
        pass

    catalog = zoo.make_catalog()
    assert catalog.add(zoo.Classifier, Child).aliases == ()


def test_aliases_must_be_names() -> None:
    class Wrong(zoo.Scaler):
        aliases = "Old"  # type: ignore[assignment]

    with pytest.raises(RegistrationError, match=r"Wrong.aliases: expected a tuple of names, found 'Old'"):
        Catalog().add(zoo.Scaler, Wrong)


def test_the_same_class_again_is_fine(catalog: Catalog) -> None:
    before = catalog.entries()
    catalog.add(zoo.Classifier, zoo.Forest)
    assert catalog.entries() == before


def test_names_are_unique_within_a_family_only(catalog: Catalog) -> None:
    class Standard(zoo.Classifier):
        pass

    catalog.add(zoo.Classifier, Standard)
    assert catalog.find(zoo.Classifier, "Standard").target is Standard
    assert catalog.find(zoo.Scaler, "Standard").target is zoo.Standard


def test_families_of_one_name_differ_by_class() -> None:
    own = type("Dataset", (Component,), {})
    catalog = Catalog()
    mine, cores = type("Digits", (own,), {}), type("Digits", (Dataset,), {})
    catalog.add(own, mine)
    catalog.add(Dataset, cores)
    assert catalog.find(own, "Digits").target is mine
    assert catalog.find(Dataset, "Digits").target is cores


def test_a_class_defined_again_replaces_the_old_one() -> None:
    # a notebook's cell run twice, a module reloaded
    catalog, scope = Catalog(), {"Scaler": zoo.Scaler, "__name__": "notebook"}
    source = "class Mine(Scaler):\n    aliases = ('Old',)\n    def __init__(self, n: int = {}): self.n = n\n"
    for number in (1, 2):
        cell = compile(source.format(number), "cell", "exec", dont_inherit=True)
        exec(cell, scope)  # how a notebook runs a cell
        catalog.add(zoo.Scaler, scope["Mine"])
    assert complete_component(zoo.Scaler, "Old", catalog) == {"className": "Mine", "n": 2}
    assert len(catalog.entries(zoo.Scaler)) == 1


def test_replace_takes_the_name_and_drops_the_old_aliases(catalog: Catalog) -> None:
    class Other(zoo.Classifier):
        pass

    catalog.replace(zoo.Classifier, Other, name="BigForest")
    assert catalog.find(zoo.Classifier, "BigForest").target is Other
    with pytest.raises(UnknownClassError):
        catalog.find(zoo.Classifier, "HugeForest")
    with pytest.raises(UnknownClassError, match="not registered"):
        catalog.name_of(zoo.Classifier, zoo.BigForest)


def test_below_narrows_the_choice(catalog: Catalog) -> None:
    assert catalog.find(zoo.Classifier, "BigForest", below=zoo.Forest).target is zoo.BigForest
    with pytest.raises(UnknownClassError, match=r"no forest 'Support'. Known: BigForest, Forest\."):
        catalog.find(zoo.Classifier, "Support", below=zoo.Forest)


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
            Catalog().add(zoo.Scaler, target)


@pytest.mark.parametrize("family", [zoo.Standard, Component, int, "Scaler"])
def test_a_family_is_a_direct_subclass_of_component(family: type) -> None:
    with pytest.raises(RegistrationError, match="not a family"):
        Catalog().add(family, zoo.Standard)


@pytest.mark.parametrize("name", ["", " ", "a\nb", 3])
def test_names_are_printable_text(name: str) -> None:
    with pytest.raises(RegistrationError, match="must be printable"):
        Catalog().add(zoo.Scaler, zoo.Standard, name=name)


def test_a_third_party_class_joins_untouched(catalog: Catalog) -> None:
    catalog.add(zoo.Classifier, RandomForestClassifier, name="Sklearn")
    tree = complete_component(zoo.Classifier, {"className": "Sklearn", "n_estimators": 7}, catalog)
    assert tree["n_estimators"] == 7
    assert tree["max_features"] == "sqrt"


def test_a_bad_signature_is_found_at_registration() -> None:
    class Bad(zoo.Scaler):
        def __init__(self, n: int = "x") -> None: ...  # type: ignore[assignment]

    with pytest.raises(RegistrationError, match=r"Bad.n: expected int, found str 'x'"):
        Catalog().add(zoo.Scaler, Bad)
