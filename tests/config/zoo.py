"""Components of all forms; their annotations are strings, as in many projects."""

# ruff: noqa: B006, B008 - instances as defaults are what is tested
from __future__ import annotations

from dataclasses import KW_ONLY, InitVar, dataclass, field
from enum import Enum
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from hyperspace_core.components import Component, Lazy, Scenario
from hyperspace_core.config.registry import Registry
from hyperspace_core.config.signature import signature_of_method
from hyperspace_core.ranges import Choice, Float, Int
from hyperspace_core.run import Run


class Classifier(Component):
    """Builds a classifier."""


@dataclass
class Forest(Classifier):
    """Random forest.

    trees: how many
    """

    trees: Annotated[int, Int(10, 1000, log=True)] = 100
    max_depth: int | None = None


@dataclass
class Support(Classifier):
    C: Annotated[float, Float(1e-3, 1e3, log=True)]
    kernel: Literal["rbf", "linear"] = "rbf"


@dataclass
class BigForest(Forest):
    aliases: ClassVar[tuple[str, ...]] = ("HugeForest",)

    leaves: int = 5


class Scaler(Component):
    """Scales the inputs."""


@dataclass
class Standard(Scaler):
    mean: bool = True
    std: bool = True


class Unscaled(Scaler):
    pass


class Aggregation(Component):
    """Needs `dv`, which is known only at run time."""


class Bottleneck(Aggregation):
    def __init__(self, dv: int, layers: tuple[int, ...] = (50,), dropouts: list[float] | None = None) -> None:
        self.dv = dv
        self.layers = layers
        self.dropouts = dropouts


class Attention(Aggregation):
    def __init__(
        self, dv: int, *, heads: int = 4, inner: Lazy[Aggregation] = Lazy(Bottleneck, layers=(7,))
    ) -> None:
        self.dv, self.heads, self.inner = dv, heads, inner


class Layer(Component):
    pass


@dataclass
class Dense(Layer):
    units: int = 10


@dataclass
class Dropout(Layer):
    share: Annotated[float, Float(0, 1)] = 0.5


class Mode(Enum):
    FAST = "fast"
    SLOW = "slow"


@dataclass
class Optimizer:
    """Plain settings."""

    lr: Annotated[float, Float(1e-5, 1, log=True)] = 0.1
    betas: tuple[float, float] = (0.9, 0.99)
    _: KW_ONLY
    name: Annotated[str, Choice("adam", "sgd")] = "adam"


@dataclass
class Training:
    epochs: int
    optimizer: Optimizer = field(default_factory=lambda: Optimizer(lr=0.5))


@dataclass
class Holdout(Scenario):
    test_share: float = 0.25

    def single_run(
        self, run: Run, classifier: Classifier, scaler: Scaler = Standard(std=False)
    ) -> dict[str, float]:
        return {"accuracy": 1.0}


@dataclass
class Everything(Scenario):
    """All kinds of parameters at once."""

    def single_run(
        self,
        classifier: Classifier = Forest(trees=20),
        scaler: Scaler | None = None,
        aggregation: Lazy[Aggregation] = Bottleneck,
        layers: list[Layer] = [Dense(), Dropout(0.1)],
        named: dict[str, Layer] = {"head": Dense(3)},
        training: Training = Training(epochs=3),
        mode: Mode = Mode.FAST,
        folder: Path = Path("data"),
        rates: Annotated[list[Annotated[float, Float(0, 1)]], "one a fold"] = [0.5],
        depth: Annotated[int, Int(1, 9)] | None = 3,
        choice: int | str = "auto",
        model: Classifier | dict = Forest(),
        raw: dict[str, Any] | None = None,
        *,
        run: Run | None = None,
        pair: tuple[int, str] = (1, "a"),
        tags: frozenset[str] = frozenset({"b", "a"}),
        anything=None,
        **ignored: int,
    ) -> float:
        return 0.0


@dataclass
class WithInitVar(Scaler):
    factor: InitVar[int] = 3


class Forgetful(Scaler):
    """Stores none of its arguments."""

    def __init__(self, factor: int = 2) -> None:
        self._factor = factor


def train(run: Run, lr: Annotated[float, Float(1e-4, 1)] = 0.1, epochs: int = 5) -> float:
    """Trains."""
    return lr * epochs


def make_registry() -> Registry:
    registry = Registry()
    for family, targets in {
        Classifier: [Forest, Support, BigForest],
        Scaler: [Standard, Unscaled],
        Aggregation: [Bottleneck, Attention],
        Layer: [Dense, Dropout],
        Scenario: [Holdout, Everything],
    }.items():
        for target in targets:
            registry.add(family, target)
    return registry


# for property tests, which cannot use a fixture for each example; no test changes them
CATALOG = make_registry()
EVERYTHING = signature_of_method(Everything, "single_run")
