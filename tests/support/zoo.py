"""Components of all forms; their annotations are strings, as in many projects."""

# ruff: noqa: B006, B008 - instances as defaults are what is tested
from __future__ import annotations

from dataclasses import KW_ONLY, InitVar, dataclass, field
from enum import Enum
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from hypothesis import strategies as st

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

# -- configs, for property tests ----

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.floats(allow_nan=False) | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)

FORESTS = st.fixed_dictionaries(
    {"className": st.sampled_from(["Forest", "BigForest", "HugeForest"])},
    optional={"trees": st.integers(1, 9), "max_depth": st.none() | st.integers(1, 9)},
)

CLASSIFIERS = (
    st.sampled_from(["Forest", "BigForest"])
    | FORESTS
    | st.fixed_dictionaries({"className": st.just("Support"), "C": st.integers(1, 5) | st.floats(0.5, 5)})
)

LAYERS = st.sampled_from(["Dense", "Dropout"]) | st.fixed_dictionaries(
    {"className": st.just("Dense")}, optional={"units": st.integers(1, 5)}
)

CONFIGS = st.fixed_dictionaries(
    {},
    optional={
        "classifier": CLASSIFIERS,
        "Scaler": st.none() | st.just("Standard"),
        "layers": st.lists(LAYERS, max_size=3),
        "named": st.dictionaries(st.text(max_size=3), LAYERS, max_size=3),
        "model": CLASSIFIERS | st.dictionaries(st.text("ab", max_size=2), JSON, max_size=3),
        "raw": st.none() | st.dictionaries(st.text(max_size=3), JSON, max_size=3),
        "anything": JSON,
        "training": st.fixed_dictionaries(
            {},
            optional={
                "epochs": st.integers(-(2**63), 2**63 - 1),
                "optimizer": st.fixed_dictionaries({}, optional={"lr": st.floats(0, 1) | st.just(1)}),
            },
        ),
        "choice": st.integers(-5, 5) | st.text(max_size=2),
        "mode": st.sampled_from(["FAST", "slow"]),
        "aggregation": st.sampled_from(["Bottleneck", "Attention"]),
    },
)

KEYS = st.text("abcxyz_", min_size=1, max_size=4)

LEAVES = (
    st.none() | st.booleans() | st.integers(-9, 9) | st.floats(allow_nan=True) | st.text("ab", max_size=2)
)

SECTIONS = st.recursive(
    st.dictionaries(KEYS, LEAVES | st.lists(LEAVES, max_size=3), max_size=4),
    lambda inner: st.dictionaries(KEYS, inner | LEAVES, max_size=4),
    max_leaves=12,
)
