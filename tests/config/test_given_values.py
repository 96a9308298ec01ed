"""Values of usual types, given as a command line, as JSON and as Python give them, reach the parameter."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from datetime import date
from enum import Enum
from pathlib import Path
from typing import Annotated, Any, Literal

import attrs
import numpy as np
import pydantic
import pytest

from hyperspace_core import Choice, Component
from hyperspace_core.config.build import build_arguments
from hyperspace_core.config.complete import complete, plain_config
from hyperspace_core.config.grid import parse_assignments
from hyperspace_core.config.registry import Registry
from hyperspace_core.config.signature import signature_of
from hyperspace_core.config.tree import canonical, without_unquoted
from hyperspace_core.errors import ConfigError, RegistrationError
from hyperspace_core.extension.project import open_project


class Color(Enum):
    RED = 1
    BLUE = 2


class Model(Component):
    pass


@dataclass
class Net(Model):
    width: int = 5
    sizes: list[int] = field(default_factory=list)


@attrs.define
class Attrs(Model):
    layers: list[int] = attrs.field(factory=lambda: [10, 10])
    _hidden: int = 2


class Settings(pydantic.BaseModel):
    x: int = 1
    many: list[int] = pydantic.Field(default_factory=lambda: [3], alias="several")


class Base(Model):
    def __init__(self, depth: int = 3, seed_of_base: int = 0) -> None:
        self.depth, self.seed_of_base = depth, seed_of_base


class Wide(Base):
    def __init__(self, width: int = 5, **kwargs: Any) -> None:
        super().__init__(seed_of_base=9, **kwargs)
        self.width = width


class Unread(Base):
    def __init__(self, width: int = 5, **kwargs: Any) -> None:
        self.width, self.kwargs = width, kwargs


@pytest.fixture
def registry() -> Registry:
    made = Registry()
    for one in (Net, Attrs, Base, Wide, Unread):
        made.add(Model, one)
    return made


def taking(annotation: Any, default: Any) -> Any:
    def go(it: Any = default) -> None: ...

    go.__annotations__["it"] = annotation
    return signature_of(go)


def got(signature: Any, config: dict[str, Any], registry: Registry) -> Any:
    """What the function receives; the config goes through JSON on its way, as through a store."""
    completed = complete(config, signature, registry)
    again = complete(completed, signature, registry)
    assert canonical(again) == canonical(completed)
    canonical(without_unquoted(config, completed))                      # what was typed can be stored
    return build_arguments(again, signature, registry)["it"]


TYPED = [
    (str, "a", "2024", "2024"), (str, "a", "1e5", "1e5"), (str, "a", "true", "true"),
    (str, "a", "None", "None"),
    (str, "a", "9" * 30, "9" * 30), (str, "a", '"x"', "x"), (str | None, "a", "None", None),
    (str | None, "a", "null", None),
    (bool, False, "True", True), (bool, True, "false", False), (int | None, 3, "None", None),
    (float, 1.0, ".5", 0.5), (float, 1.0, "+2", 2.0), (float, 1.0, "inf", math.inf),
    (float, 1.0, "-Infinity", -math.inf),
    (int | str, "a", "3", 3), (int | str, "a", "3.5", "3.5"), (Literal["1", "2"], "1", "2", "2"),
    (Literal[1, 2], 1, "2", 2), (Literal["auto", None], "auto", "null", None),
    (Color, Color.RED, "BLUE", Color.BLUE),
    (Color, Color.RED, "2", Color.BLUE), (Path, Path("a"), "7", Path("7")), (Any, 1, "3", 3),
    (Any, 1, "None", None),
    (dict[int, float], {}, '{"1": 0.7}', {1: 0.7}), (dict[Color, int], {}, '{"RED": 1}', {Color.RED: 1}),
    (dict[bool, int], {}, '{"true": 1}', {True: 1}), (dict[str, int], {}, '{"1": 1}', {"1": 1}),
    (np.int64, 3, "4", 4), (np.float32, 1.0, "4", 4.0), (np.bool_, False, "true", True),
    (date, date(2026, 1, 1), "2026-02-03", date(2026, 2, 3)), (set[int], {1}, "[1, 2]", {1, 2}),
    (Settings, Settings(), '{"x": 4}', Settings(x=4)),
    (Settings, Settings(), '{"several": [4]}', Settings(several=[4])),
    (Attrs, Attrs(), '{"layers": [1]}', Attrs(layers=[1])),
    (Attrs, Attrs(), '{"hidden": 1}', Attrs(hidden=1)),
]


@pytest.mark.parametrize(("annotation", "default", "text", "wanted"), TYPED)
def test_a_typed_value_reaches_the_parameter(
        annotation: Any, default: Any, text: str, wanted: Any, registry: Registry) -> None:
    found = got(taking(annotation, default), parse_assignments([f"it={text}"]), registry)
    assert found == wanted
    assert type(found) is type(wanted)


@pytest.mark.parametrize(("annotation", "default"), [(one[0], one[1]) for one in TYPED])
def test_a_default_is_what_the_parameter_gets(annotation: Any, default: Any, registry: Registry) -> None:
    assert got(taking(annotation, default), {}, registry) == default


@pytest.mark.parametrize(("annotation", "value", "wanted"), [
    (float, np.float64(0.5), 0.5), (list[float], np.array([1.0, 2.0]), [1.0, 2.0]),
    (list[int], range(3), [0, 1, 2]),
    (set[int], {1, 2}, {1, 2}), (Color, Color.BLUE, Color.BLUE), (Path, Path("x"), Path("x")),
    (dict[int, float], {1: 0.7}, {1: 0.7}), (date, date(2026, 2, 3), date(2026, 2, 3)),
    (Settings, Settings(x=2), Settings(x=2)),
    (Net, Net(width=7), Net(width=7)), (Model, Attrs, Attrs()),
    (list[Model], [Net(width=1), "Net"], [Net(width=1), Net()]),
])
def test_a_python_value_reaches_the_parameter(
        annotation: Any, value: Any, wanted: Any, registry: Registry) -> None:
    config = plain_config({"it": value}, "", registry.name_of)
    assert got(taking(annotation, wanted), config, registry) == wanted


@pytest.mark.parametrize(("annotation", "range_"), [
    (int | None, Choice(None, 3, 5)), (Literal["balanced", None], Choice("balanced", None)),
    (tuple[int, ...], Choice((10,), (10, 10))), (bool, Choice(True, False)), (str | None, Choice("a", None)),
])
def test_choices_may_hold_none_tuples_and_bools(annotation: Any, range_: Choice, registry: Registry) -> None:
    for value in range_.values:
        assert got(taking(Annotated[annotation, range_], value), {"it": value}, registry) == value


def test_arguments_by_kwargs_are_parameters(registry: Registry) -> None:
    signature = taking(Model, Wide())
    assert complete({}, signature, registry) == {"it": {"className": "Wide", "width": 5, "depth": 3}}
    built = got(signature, {"it": {"depth": 9}}, registry)
    assert (built.depth, built.width, built.seed_of_base) == (9, 5, 9)


def test_kwargs_that_no_base_takes_are_named(registry: Registry) -> None:
    with pytest.raises(ConfigError, match=r"its \*\*kwargs is not read: name the argument in the signature"):
        complete({"it": {"className": "Unread", "depth": 9}}, taking(Model, Net()), registry)


def test_a_default_computed_from_others_is_refused() -> None:
    @attrs.define
    class Square:
        width: int = 2
        area: int = attrs.field(default=attrs.Factory(lambda self: self.width**2, takes_self=True))

    with pytest.raises(RegistrationError, match=r"Square\.area: its default is computed from other"):
        signature_of(Square)


@dataclass
class Percent(Model):
    share: float = 50.0

    def __post_init__(self) -> None:
        self.share /= 100


@dataclass
class Holder(Model):
    inner: list[Model] = field(default_factory=lambda: [Percent(20.0)])


@pytest.mark.parametrize(("default", "place"), [
    (Percent(20.0), r"go\.it: Percent changes `share`"),
    (Holder(), r"go\.it\.inner: Percent changes `share`"),
])
def test_a_default_that_would_be_built_otherwise_is_refused(default: Model, place: str) -> None:
    changed = (r" in its constructor: it holds float 0\.2, which would be built as float 0\.002; "
               r"store the argument unchanged as self\.share")
    with pytest.raises(RegistrationError, match=place + changed):
        taking(Model, default)


def test_an_object_that_would_be_built_otherwise_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"`it`: Percent: Percent changes `share` in its constructor"):
        plain_config({"it": Percent(20.0)})


def test_all_faulty_registrations_are_named_at_once(hyperspace_project: Any) -> None:
    """Two defaults that cannot be built again, and a parameter without a type that a config can name."""
    hyperspace_project({"hyperspace.py": """
        from hyperspace_core import Component, hookimpl

        class Net(Component): pass

        class Doubled(Net):
            def __init__(self, hidden: int = 10): self.hidden = hidden * 2

        class Halved(Net):
            def __init__(self, share: float = 1.0): self.share = share / 2

        def doubled(net: Net = Doubled()): return 1.0

        def halved(net: Net = Halved()): return 1.0

        def placed(first, /): return 1.0

        @hookimpl
        def hyperspace_register(register):
            for one in (doubled, halved, placed):
                register.scenario(one)
        """}, name="faulty")

    with pytest.raises(RegistrationError) as caught:
        open_project("faulty")

    lines = str(caught.value).splitlines()
    assert [line.split(":")[0] for line in lines] == ["doubled.net", "halved.net", "placed.first"]
