"""The root of all components, and the families that core ships: one method each, plain Python.

A *family* is a direct subclass of `Component`. A class of a family is picked by its `className` in a config;
its constructor's parameters are its hyper-parameters. Nothing here knows of runs, stores or queues.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar


class Component:
    """A class that a config can choose by name."""

    aliases: ClassVar[tuple[str, ...]] = ()
    """Former names, so that a rename orphans no stored run."""

    __hyperspace_root__: ClassVar[bool] = True     # its direct subclasses are families (see `config.schema`)


class Scenario(Component):
    """How one experiment goes.

    Its own parameters describe the problem, those of `single_run` are the hyper-parameters.
    `single_run` returns a number, or a dict of numbers that holds the task's metric. The parameter annotated
    `Run`, if there is one, receives the live run.
    """

    wraps: ClassVar[str | None] = None
    """The parameter that holds another scenario, whose hyper-parameters are then this one's, too."""

    if TYPE_CHECKING:
        single_run: Any        # each scenario has a signature of its own


class Dataset(Component):
    """Where the data come from."""

    def load(self) -> Any:
        """The data, in whatever shape the later stages expect; core never looks inside."""
        raise NotImplementedError(f"{type(self).__name__} has no method load()")


class Preprocessor(Component):
    """What is done to the data before training."""

    def apply(self, data: Any) -> Any:
        """The data that model and trainer shall see."""
        raise NotImplementedError(f"{type(self).__name__} has no method apply()")


class Model(Component):
    """Builds an unfitted model."""

    def build(self, data: Any) -> Any:
        """An unfitted model; `data` tells its shape where that matters."""
        raise NotImplementedError(f"{type(self).__name__} has no method build()")


class Trainer(Component):
    """Fits a model to data."""

    def train(self, model: Any, data: Any) -> Any:
        """The fitted model."""
        raise NotImplementedError(f"{type(self).__name__} has no method train()")


class Scorer(Component):
    """Says how good a fitted model is."""

    def score(self, model: Any, data: Any) -> dict[str, float]:
        """Name → number; the task's metric is one of them."""
        raise NotImplementedError(f"{type(self).__name__} has no method score()")


@dataclass
class Unchanged(Preprocessor):
    """Leaves the data alone."""

    def apply(self, data: Any) -> Any:
        return data


@dataclass
class Fit(Trainer):
    """Calls `model.fit`: with the data, or, where the data are a tuple, with its items as arguments.

    Returns what `fit` returns, or the model itself where that is None.
    """

    def train(self, model: Any, data: Any) -> Any:
        fitted = model.fit(*data) if isinstance(data, tuple) else model.fit(data)
        return model if fitted is None else fitted
