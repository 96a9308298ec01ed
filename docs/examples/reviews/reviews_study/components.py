"""Components: aggregations of word vectors, classifiers and training schedules.

PyTorch is imported only when a network is built or trained, so queueing and reading results do not need it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any

from hyperspace_core import Component, Float, Int, Lazy, Run

if TYPE_CHECKING:
    from torch import Tensor, nn

    Phase = tuple[Sequence[Tensor], int]


class Aggregation(Component):
    """Combines word vectors to one. The classifier passes their length `dv`."""

    dv: int

    def build(self, drop_mult: float = 1.0) -> nn.Module:
        """Vectors (reviews, words, dv), mask (reviews, words) → (reviews, width)."""
        raise NotImplementedError(f"{type(self).__name__} has no method build()")

    @property
    def width(self) -> int:
        """The length of the resulting vector."""
        raise NotImplementedError(f"{type(self).__name__} has no width")


@dataclass
class BranchingAttentionAggregation(Aggregation):
    """One branch transforms each word vector, one computes its attention."""

    dv: int
    agg_layers: list[int] = field(default_factory=lambda: [50])
    agg_dropouts: list[float] = field(default_factory=lambda: [0.1])
    att_hid_layers: list[int] = field(default_factory=lambda: [20])
    att_dropouts: list[float] = field(default_factory=lambda: [0.0])
    agg_bn: bool = False
    att_bn: bool = False

    def __post_init__(self) -> None:
        more = {"att_dropouts": 1}         # older configs have one more, for the word vectors
        for layers, dropouts in (("agg_layers", "agg_dropouts"), ("att_hid_layers", "att_dropouts")):
            each, given = len(getattr(self, layers)), len(getattr(self, dropouts))
            if given not in (each, each + more.get(dropouts, 0)):
                raise ValueError(f"`{dropouts}` has {given} items, `{layers}` has {each}: one for each layer")

    def build(self, drop_mult: float = 1.0) -> nn.Module:
        from reviews_study.network import Attention

        return Attention(self, drop_mult)

    @property
    def width(self) -> int:
        return self.agg_layers[-1] if self.agg_layers else self.dv


@dataclass
class MeanAggregation(Aggregation):
    """The mean of all word vectors."""

    dv: int

    def build(self, drop_mult: float = 1.0) -> nn.Module:
        from reviews_study.network import Mean

        return Mean()

    @property
    def width(self) -> int:
        return self.dv


class Classifier(Component):
    """Builds the network that tells good reviews from bad ones."""

    label_smoothing_eps: float

    def build(self) -> nn.Module:
        raise NotImplementedError(f"{type(self).__name__} has no method build()")


@dataclass
class Head:
    """Settings of the layers on the aggregated vector."""

    drop_mult: Annotated[float, Float(0.0, 2.0)] = 1.0                # factor of each dropout
    label_smoothing_eps: Annotated[float, Float(0.0, 0.3)] = 0.0
    lin_ftrs: list[int] = field(default_factory=lambda: [50])


@dataclass
class AggregatingClassifier(Head, Classifier):
    """Word vectors, their aggregation, and linear layers on top."""

    aggregation: Lazy[Aggregation] = Lazy(BranchingAttentionAggregation)  # noqa: RUF009 - a config's spelling
    word_length: Annotated[int, Int(10, 200, log=True)] = 50

    def build(self) -> nn.Module:
        from reviews_study.network import Network

        return Network(self, self.aggregation(dv=self.word_length))


class TrainingSchedule(Component):
    """Trains a network."""

    def train(self, run: Run, network: Any, words: Tensor, labels: Tensor, smoothing: float,
              batch_size: int | None = None) -> None:
        """Train; `batch_size`: that of the dataset, if it has one."""
        raise NotImplementedError(f"{type(self).__name__} has no method train()")


@dataclass
class _Cycles(TrainingSchedule):
    """Training in cycles; the rate falls from `lr` to zero along a cosine."""

    cycles: Annotated[int, Int(1, 10)] = 2
    epochs: int = 6                                        # of each cycle
    lr: Annotated[float, Float(1e-4, 1e-1, log=True)] = 0.01
    wd: Annotated[float, Float(1e-6, 1e-1, log=True)] = 0.01
    batch_size: int = 20

    def train(self, run: Run, network: Any, words: Tensor, labels: Tensor, smoothing: float,
              batch_size: int | None = None) -> None:
        from reviews_study.training import Settings, fit

        settings = Settings(epochs=self.epochs, lr=self.rate, wd=self.wd, smoothing=smoothing,
                            batch_size=batch_size or self.batch_size)
        fit(run, network, self.phases(network), words, labels, settings)

    @property
    def rate(self) -> float:
        """The learning rate at the beginning of a cycle."""
        return self.lr

    def phases(self, network: Any) -> Sequence[Phase]:
        """The weights to train, with the number of cycles, phase by phase."""
        raise NotImplementedError(f"{type(self).__name__} has no method phases()")


@dataclass
class DefaultSchedule(_Cycles):
    """Trains the head for `cycles_gradual` cycles, then all weights."""

    cycles_gradual: int = 0
    cycles_final: int | None = None        # older name of `cycles`
    lr_init: float | None = None           # older name of `lr`

    @property
    def rate(self) -> float:
        return self.lr if self.lr_init is None else self.lr_init

    def phases(self, network: Any) -> Sequence[Phase]:
        final = self.cycles if self.cycles_final is None else self.cycles_final
        return [(head_of(network), self.cycles_gradual), (list(network.parameters()), final)]


@dataclass
class HeadOnlySchedule(_Cycles):
    """Trains the head only; the word vectors keep their initial values."""

    def phases(self, network: Any) -> Sequence[Phase]:
        return [(head_of(network), self.cycles)]


def head_of(network: Any) -> list[Tensor]:
    """All weights except the word vectors."""
    return [weight for name, weight in network.named_parameters() if not name.startswith("vectors.")]
