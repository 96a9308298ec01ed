"""Classes, a function that takes them, and the space of its signature."""

# ruff: noqa: B006, B008 - instances as defaults are what is tested
from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum
from typing import Annotated, Any, Literal

from hyperspace_core.components import Component
from hyperspace_core.config.registry import Registry
from hyperspace_core.config.signature import signature_of
from hyperspace_core.ranges import Float, Int
from hyperspace_tuning.from_signature import space_from_signature
from hyperspace_tuning.space import Space


class Classifier(Component):
    pass


class Scaler(Component):
    pass


class Mode(Enum):
    FAST = 1
    SLOW = 2


@dataclass
class Forest(Classifier):
    aliases = ("RandomForest",)

    trees: Annotated[int, Int(10, 1000, log=True)] = 100
    max_depth: Annotated[int | None, Int(2, 30)] = None


@dataclass
class Support(Classifier):
    C: Annotated[float, Float(1e-3, 1e3, log=True)] = 1.0
    kernel: Literal["rbf", "linear"] = "rbf"


@dataclass
class Voting(Classifier):
    """Holds its own family."""

    first: Classifier = field(default_factory=Forest)
    second: Classifier = field(default_factory=Support)


@dataclass
class Fitted(Classifier):
    """Is searched only if named."""

    path: str


@dataclass
class Standard(Scaler):
    mean: bool = True


class Unscaled(Scaler):
    pass


@dataclass
class Layer:
    units: Annotated[int, Int(8, 64, step=8)] = 16
    name: str = "dense"


@dataclass
class Stopping:
    patience: Annotated[int, Int(1, 10)] = 3


def train(classifier: Classifier = Forest(trees=50), scaler: Scaler | None = Standard(),
          layers: list[Layer] = [Layer(), Layer(32)],
          rates: tuple[Annotated[float, Float(0, 1)], ...] = (0.5,),
          stopping: Stopping | None = None, mode: Mode = Mode.FAST, bias: bool = True, noise: float = 0.0,
          settings: dict = {"a": 1}, anything=3) -> float:
    return 0.0


def registry_of(*classes: type) -> Registry:
    registry = Registry()
    for one in classes:
        registry.add(Scaler if issubclass(one, Scaler) else Classifier, one)
    return registry


def space(wishes: dict[str, Any] | None = None, function: Callable[..., Any] = train,
          classes: tuple[type, ...] = (Forest, Support, Standard, Unscaled)) -> Space:
    return space_from_signature(signature_of(function), registry_of(*classes), wishes)
