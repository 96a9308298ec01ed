"""The root of all components, and the families of core: plain Python classes.

A *family* is a direct subclass of `Component`. A config chooses a class of a family by its `className`; its
constructor's parameters are its hyper-parameters. Nothing here depends on runs, stores or queues.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar


class Component:
    """A class that a config can choose by name."""

    aliases: ClassVar[tuple[str, ...]] = ()
    """Former names, by which stored runs still find the class."""

    __hyperspace_root__: ClassVar[bool] = True     # its direct subclasses are families (see `config.schema`)


class Scenario(Component):
    """Defines one experiment.

    Its own parameters describe the problem, those of `single_run` are the hyper-parameters.
    `single_run` returns a number, or a dict of numbers that holds the task's metric. The parameter annotated
    `Run`, if there is one, receives the live run.
    """

    wraps: ClassVar[str | None] = None
    """The parameter that holds another scenario; its hyper-parameters are this one's, too."""

    if TYPE_CHECKING:
        single_run: Any        # each scenario has a signature of its own


class Dataset(Component):
    """Loads the data."""

    def load(self) -> Any:
        """The data, in the form that later stages expect; core does not inspect them."""
        raise NotImplementedError(f"{type(self).__name__} has no method load()")


class Preprocessor(Component):
    """Prepares the data before training."""

    def apply(self, data: Any) -> Any:
        """The data for model and trainer."""
        raise NotImplementedError(f"{type(self).__name__} has no method apply()")


class Model(Component):
    """Builds an unfitted model."""

    def build(self, data: Any) -> Any:
        """An unfitted model; `data` gives its shape where needed."""
        raise NotImplementedError(f"{type(self).__name__} has no method build()")


class Trainer(Component):
    """Fits a model to data."""

    def train(self, model: Any, data: Any) -> Any:
        """The fitted model."""
        raise NotImplementedError(f"{type(self).__name__} has no method train()")


class Scorer(Component):
    """Scores a fitted model."""

    def score(self, model: Any, data: Any) -> dict[str, float]:
        """Metric name → number; the task's metric is one of them."""
        raise NotImplementedError(f"{type(self).__name__} has no method score()")


@dataclass
class Unchanged(Preprocessor):
    """Returns the data unchanged."""

    def apply(self, data: Any) -> Any:
        return data


@dataclass
class Fit(Trainer):
    """Calls `model.fit` with the data; a tuple's items are separate arguments.

    Returns what `fit` returns, or the model itself where that is None.
    """

    def train(self, model: Any, data: Any) -> Any:
        fitted = model.fit(*data) if isinstance(data, tuple) else model.fit(data)
        return model if fitted is None else fitted


# -- A factory for a component with arguments that are only known at run time --

F = TypeVar("F")


class Lazy(Generic[F]):
    """A factory: for `pool: Lazy[Pool]`, `pool(dv=400)` builds a `Pool`.

    Each call builds a new object; its arguments override those of the config. Without the framework it is
    written `Lazy(Bottleneck, layers=[50])`.
    """

    def __init__(self, target: type[F], /, **arguments: Any) -> None:
        self.target = target
        self.arguments = arguments

    def __call__(self, **arguments: Any) -> F:
        # arguments of the config are copied, so that two objects never share a list
        merged = copy.deepcopy({k: v for k, v in self.arguments.items() if k not in arguments}) | arguments
        return self.target(**merged)

    def __repr__(self) -> str:
        named = "".join(f", {name}={value!r}" for name, value in self.arguments.items())
        return f"Lazy({self.target.__name__}{named})"
