# ruff: noqa: B006, B008 - instances as defaults are what is tested
from __future__ import annotations

import dataclasses
import functools
import typing
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Generic, Literal, NewType, Optional, TypeVar, Union

import numpy as np
import pytest
from sklearn.ensemble import RandomForestClassifier
from sklearn.feature_extraction.text import TfidfVectorizer

from hyperspace_core.components import Component, Lazy, Scenario
from hyperspace_core.config.signature import MISSING, Signature, family_of, signature_of, signature_of_method
from hyperspace_core.config.types import (
    AnyValue,
    DictOf,
    EnumOf,
    FamilyKind,
    LazyOf,
    ListOf,
    Nested,
    Opaque,
    OptionalOf,
    RawDict,
    TupleOf,
    UnionOf,
    Value,
    describe,
)
from hyperspace_core.errors import RegistrationError
from hyperspace_core.ranges import Choice, Float, Int
from hyperspace_core.run import Run
from support import zoo

T = TypeVar("T")
Rate = NewType("Rate", float)
FAMILY = FamilyKind(zoo.Classifier, zoo.Classifier)


def kind_of(annotation: Any) -> Any:
    """The kind of one annotated parameter."""

    def function(x): ...

    function.__annotations__ = {"x": annotation}
    return signature_of(function).by_name["x"].kind


def only(signature: Signature) -> Any:
    return signature.parameters[0]


@pytest.mark.parametrize(
    ("annotation", "kind"),
    [
        (int, Value(int)),
        (Annotated[int, Int(1, 9)], Value(int, Int(1, 9))),
        (Literal["a", "b"], Value(Literal["a", "b"])),
        (Path, Value(Path)),
        (Rate, Value(float)),
        (Any, AnyValue()),
        (object, AnyValue()),
        (dict, RawDict()),
        (dict[str, Any], RawDict()),
        (Mapping[str, Any], RawDict()),
        (dict[str, int], DictOf(Value(int))),
        (dict[int, int], DictOf(Value(int), Value(int))),
        (dict[tuple, int], Opaque("dict with keys of type tuple[any value, ...]")),
        (list, ListOf(AnyValue())),
        (list[int], ListOf(Value(int))),
        (Sequence[int], ListOf(Value(int))),
        (frozenset[str], ListOf(Value(str), into=frozenset)),
        (tuple, TupleOf(rest=AnyValue())),
        (tuple[()], TupleOf()),
        (tuple[int, str], TupleOf(items=(Value(int), Value(str)))),
        (tuple[int, ...], TupleOf(rest=Value(int))),
        (Optional[int], OptionalOf(Value(int))),  # noqa: UP045
        (int | None, OptionalOf(Value(int))),
        (Annotated[int, Int(1, 9)] | None, OptionalOf(Value(int, Int(1, 9)))),
        (Annotated[int | None, Int(1, 9)], OptionalOf(Value(int, Int(1, 9)))),
        (Union[int, str], UnionOf((Value(int), Value(str)))),  # noqa: UP007
        (int | str | None, OptionalOf(UnionOf((Value(int), Value(str))))),
        (zoo.Classifier, FAMILY),
        (zoo.Forest, FamilyKind(zoo.Classifier, zoo.Forest)),
        (list[zoo.Classifier], ListOf(FAMILY)),
        (dict[str, zoo.Classifier], DictOf(FAMILY)),
        (Lazy[zoo.Classifier], LazyOf(FAMILY)),
        (Lazy[zoo.Optimizer], LazyOf(Nested(zoo.Optimizer))),
        (Lazy[zoo.Classifier] | None, OptionalOf(LazyOf(FAMILY))),
        (zoo.Classifier | dict, UnionOf((FAMILY, RawDict()))),
        (zoo.Optimizer, Nested(zoo.Optimizer)),
        (zoo.Mode, EnumOf(zoo.Mode)),
        (Callable[[int], int], Opaque("Callable")),
        (np.ndarray, Opaque("ndarray")),
        (list["zoo.Classifier"], ListOf(FAMILY)),
        ("Annotated[int, Int(1, 9)] | None", OptionalOf(Value(int, Int(1, 9)))),
    ],
)
def test_kinds(annotation: Any, kind: Any) -> None:
    assert kind_of(annotation) == kind
    assert describe(kind)


def test_descriptions_are_what_a_user_would_annotate() -> None:
    kind = kind_of(dict[str, list[zoo.Classifier]] | tuple[int, ...] | Lazy[zoo.Scaler] | None)
    assert describe(kind) == "dict[str, list[Classifier]] | tuple[int, ...] | Lazy[Scaler] | None"


# -- parameters -----------------------------------------------------------------------------------------


def test_a_dataclass_with_strings_ranges_and_help() -> None:
    signature = signature_of(zoo.Forest)
    assert (signature.name, signature.doc.splitlines()[0]) == ("Forest", "Random forest.")
    trees = signature.by_name["trees"]
    assert (trees.default, trees.range, trees.help, trees.required) == (
        100,
        Int(10, 1000, log=True),
        "how many",
        False,
    )
    assert signature_of(zoo.Support).by_name["C"].required


def test_the_live_run_is_no_hyper_parameter(holdout: Signature, everything: Signature) -> None:
    assert holdout.run == "run"
    assert [p.name for p in holdout.parameters] == ["classifier", "scaler"]
    assert everything.run == "run"
    assert "run" not in everything.by_name
    assert signature_of(zoo.train).run == "run"


def test_ranges_and_help_wherever_they_stand(everything: Signature) -> None:
    assert everything.by_name["depth"].range == Int(1, 9)
    assert everything.by_name["rates"].kind == ListOf(Value(float, Float(0, 1)))
    assert everything.by_name["rates"].help == "one a fold"


def test_var_arguments_are_ignored(everything: Signature) -> None:
    assert "ignored" not in everything.by_name


def test_inheritance_class_vars_and_keyword_only() -> None:
    assert [p.name for p in signature_of(zoo.BigForest).parameters] == ["trees", "max_depth", "leaves"]
    assert [p.name for p in signature_of(zoo.Optimizer).parameters] == ["lr", "betas", "name"]


def test_a_factory_default_is_called() -> None:
    assert signature_of(zoo.Training).by_name["optimizer"].default == zoo.Optimizer(lr=0.5)


def test_methods_of_every_sort() -> None:
    class Owner:
        def plain(self, a: int = 1): ...
        @staticmethod
        def static(b: int = 1): ...
        @classmethod
        def of_class(cls, c: int = 1): ...

    for method, name in (("plain", "a"), ("static", "b"), ("of_class", "c")):
        assert [p.name for p in signature_of_method(Owner, method).parameters] == [name]
    assert [p.name for p in signature_of(zoo.Holdout.single_run).parameters] == ["classifier", "scaler"]
    assert signature_of_method(zoo.Holdout, "single_run").name == "Holdout.single_run"
    with pytest.raises(RegistrationError, match="Owner has no method nothing"):
        signature_of_method(Owner, "nothing")


def test_functions_partials_and_callables() -> None:
    partial = functools.partial(zoo.train, epochs=9)
    assert signature_of(partial).by_name["epochs"].default == 9
    assert signature_of(zoo.train).name == "train"
    with pytest.raises(RegistrationError, match="neither a class nor a function"):
        signature_of(3)


def test_a_decorated_function_keeps_its_parameters() -> None:
    @functools.wraps(zoo.train)
    def wrapper(*args, **kwargs):
        return zoo.train(*args, **kwargs)

    assert [p.name for p in signature_of(wrapper).parameters] == ["lr", "epochs"]


def test_third_party_classes_without_annotations() -> None:
    signature = signature_of(RandomForestClassifier)
    assert signature.by_name["n_estimators"].default == 100
    assert signature.by_name["n_estimators"].kind == AnyValue()
    assert "number of trees" in signature.by_name["n_estimators"].help
    assert signature_of(TfidfVectorizer).by_name["ngram_range"].kind == AnyValue(as_tuple=True)


def test_a_third_party_default_may_contradict_its_annotation() -> None:
    class Library:
        def __init__(
            self,
            depth: int = None,  # noqa: RUF013
            alpha: float = "auto",
            mode: Unknown = 3,  # noqa: F821
            weights: dict[int, int] = {},
        ):
            ...

    kinds = {p.name: p.kind for p in signature_of(Library).parameters}
    assert kinds == {
        "depth": OptionalOf(Value(int)),
        "alpha": AnyValue(),
        "mode": AnyValue(),
        "weights": DictOf(Value(int), Value(int)),
    }


def test_an_unannotated_component_default_gives_its_family() -> None:
    def function(scaler=zoo.Standard()): ...

    assert only(signature_of(function)).kind == FamilyKind(zoo.Scaler, zoo.Scaler)


def test_generic_families_and_type_variables() -> None:
    class Source(Component, Generic[T]): ...

    def function(source: Source[int], x: T, y: typing.Final[int] = 3): ...

    function.__annotations__ = {"source": Source[int], "x": T}
    kinds = [p.kind for p in signature_of(function).parameters]
    assert kinds[:2] == [FamilyKind(Source, Source), AnyValue()]


def test_family_of() -> None:
    assert family_of(zoo.BigForest) is zoo.Classifier
    assert family_of(zoo.Classifier) is zoo.Classifier
    assert family_of(Scenario) is Scenario
    assert family_of(Component) is None
    assert family_of(int) is None
    assert family_of(3) is None


def test_a_class_without_constructor_has_no_parameters() -> None:
    assert signature_of(zoo.Unscaled).parameters == ()


def test_named_tuples_and_classes_with_new() -> None:
    class Point(typing.NamedTuple):
        x: int
        y: int = 2

    assert {p.name: p.default for p in signature_of(Point).parameters} == {"x": MISSING, "y": 2}


def test_a_dataclass_read_in_the_module_of_its_base() -> None:
    # `Annotated`, `Int` of the base's strings are names of the base's module, not of this one
    @dataclass
    class Here(zoo.Forest):
        extra: int = 1

    assert signature_of(Here).by_name["trees"].range == Int(10, 1000, log=True)


def test_recursive_dataclasses_are_read() -> None:
    assert signature_of(Node).by_name["child"].kind == OptionalOf(Nested(Node))


@dataclass
class Node:
    value: int = 1
    child: Node | None = None


# -- mistakes at registration ---------------------------------------------------------------------------


def refused(target: Any) -> str:
    with pytest.raises(RegistrationError) as error:
        signature_of(target)
    assert "\n" not in str(error.value)
    return str(error.value)


def test_an_unresolvable_annotation_error_names_the_cure() -> None:
    class Local(zoo.Classifier):
        def __init__(self, scaler: OnlyForTypeCheckers) -> None: ...  # noqa: F821

    message = refused(Local)
    assert message.startswith(
        "Local.scaler: the annotation 'OnlyForTypeCheckers' cannot be resolved at run time"
    )
    assert "TYPE_CHECKING" in message
    assert "module level" in message


def test_the_key_that_picks_a_class_is_no_parameter() -> None:
    def function(className: str = "x"): ...

    assert refused(function).endswith("this name picks a component's class; rename the parameter")


def test_two_runs() -> None:
    def function(run: Run, other: Run): ...

    assert "`run` already receives the live run" in refused(function)


def test_positional_only() -> None:
    def function(x: int, /): ...

    assert refused(function).endswith("remove the '/'")


def test_lazy_of_nothing_and_the_root_itself() -> None:
    def bare(x: Lazy): ...
    def number(x: Lazy[int]): ...
    def root(x: Component): ...

    assert "write Lazy[Family]" in refused(bare)
    assert "write Lazy[Family]" in refused(number)
    assert "Component is the root of all families" in refused(root)


@pytest.mark.parametrize(
    ("annotation", "default", "cause"),
    [
        ("int", "many", "expected int, found str 'many'"),
        ("int", True, "expected int, found bool True"),
        ("int", None, "the default is None; annotate it `int | None`"),
        ("zoo.Scaler", None, "the default is None; annotate it `Scaler | None`"),
        ("zoo.Scaler", 3, "expected Scaler, found int 3"),
        ("int", 2**70, "integer too large (limit 64 bit)"),
        ("Annotated[int, Int(10, 20)]", 5, "outside Int(10, 20); widen the range or change the default"),
        ("Annotated[int, Int(10, 20, step=2)]", 11, "is outside Int(10, 20, step=2)"),
        ("Annotated[float, Float(0, 1)]", 2, "the default 2.0 is outside Float(0, 1)"),
        ("Annotated[str, Choice('a', 'b')]", "c", "the default 'c' is outside Choice('a', 'b')"),
        ("Annotated[int, Float(0, 1)]", 1, "does not describe values of type int"),
        ("Annotated[str, Int(0, 1)]", "a", "does not describe values of type str"),
        ("Annotated[int, Choice('a')]", 1, "does not fit the type: expected int, found str 'a'"),
        ("Annotated[int, Int(0, 1), Int(0, 2)]", 1, "two ranges"),
        ("list[Annotated[float, Float(0, 1)]]", [0.5, 3.0], "the default 3.0 is outside"),
        ("Annotated[int, Int(1, 9)] | None", 10, "the default 10 is outside"),
        ("tuple[int, str]", (1, 2), "expected str, found int 2"),
        ("tuple[int, str]", (1,), "expected tuple[int, str]"),
        ("zoo.Scaler", "Standard", "expected Scaler, found str 'Standard'"),
        ("zoo.Scaler", zoo.Standard, "write Standard()"),
        ("zoo.Scaler", zoo.Forest(), "expected Scaler, found Forest"),
        ("Lazy[zoo.Scaler]", zoo.Forest, "expected Lazy[Scaler]"),
        ("Lazy[zoo.Scaler]", zoo.Standard(), "write a class or Lazy(Class, argument=value)"),
        ("Lazy[zoo.Scaler]", Lazy(zoo.Standard, meen=1), "Standard has no parameter `meen`"),
        ("zoo.Mode", "fast", None),
        ("dict", [1], "expected dict"),
    ],
)
def test_defaults_are_checked(annotation: str, default: Any, cause: str | None) -> None:
    def function(x=default): ...

    function.__annotations__ = {"x": annotation}
    if cause is None:
        assert signature_of(function)
    else:
        assert refused(function).startswith(("function.x: ", "function.x.1: "))
        assert cause in refused(function)


def test_int_defaults_and_choices_of_a_float_become_floats() -> None:
    def function(x: Annotated[float, Choice(1, 2)] = 1, y: Annotated[float, Float(0, 1)] | None = None): ...

    assert [p.name for p in signature_of(function).parameters] == ["x", "y"]


def test_a_choice_among_components_is_kept_for_the_search() -> None:
    def function(classifier: Annotated[zoo.Classifier, Choice("Forest", "Support")] = zoo.Forest()): ...
    def wrong(classifier: Annotated[zoo.Classifier, Int(1, 2)] = zoo.Forest()): ...

    assert only(signature_of(function)).range == Choice("Forest", "Support")
    assert "does not describe values of type Classifier" in refused(wrong)


def test_defaults_of_nested_dataclasses_are_checked_too() -> None:
    def function(bad: Bad): ...

    assert refused(function).startswith("Bad.rate: the default 5.0 is outside")


@dataclass
class Bad:
    rate: Annotated[float, Float(0, 1)] = 5.0


def test_a_default_that_cannot_be_read_back_names_the_cure() -> None:
    def forgetful(scaler: zoo.Scaler = zoo.Forgetful()): ...
    def init_var(scaler: zoo.Scaler = zoo.WithInitVar()): ...

    message = refused(forgetful)
    assert (
        "no attribute `factor`; store the argument as self.factor, or make Forgetful a dataclass" in message
    )
    assert "no attribute `factor`" in refused(init_var)


def test_a_factory_that_raises() -> None:
    def broken() -> list[int]:
        raise ValueError("no")

    cls = dataclasses.make_dataclass("Made", [("x", list[int], field(default_factory=broken))])
    assert refused(cls) == "Made.x: its default_factory raised ValueError: no"


def test_constructors_in_c_are_refused_with_the_cure() -> None:
    assert "wrap it in a class with a constructor in Python" in refused(max)


def test_defaults_that_no_config_can_hold_stay_in_python() -> None:
    def function(
        activation: Callable[[float], float] = abs,
        dtype=np.float64,
        weights: np.ndarray | None = None,
        loss: str | Callable[..., float] = max,
    ): ...

    assert not any(parameter.required for parameter in signature_of(function).parameters)


def test_a_subclass_as_default_of_a_plain_dataclass_is_refused() -> None:
    @dataclass
    class Fancy(zoo.Optimizer): ...

    def direct(optimizer: zoo.Optimizer = Fancy()): ...
    def lazy(optimizer: Lazy[zoo.Optimizer] = Fancy): ...

    assert "expected Optimizer, found Fancy" in refused(direct)
    assert "expected Lazy[Optimizer]" in refused(lazy)
