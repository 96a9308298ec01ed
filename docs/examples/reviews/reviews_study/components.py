"""What a config can choose: how the words of a review become one vector, what is built on it, how it learns.

PyTorch is imported by what builds or trains, so that queueing and looking at results does without.
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
    """Makes one vector of the vectors of all words. `dv` is their length, which only the classifier knows."""

    dv: int

    def build(self, drop_mult: float = 1.0) -> nn.Module:
        """From (reviews, words, dv) and where there are words (reviews, words) to (reviews, `width`)."""
        raise NotImplementedError(f"{type(self).__name__} has no method build()")

    @property
    def width(self) -> int:
        """The length of the vector that comes out."""
        raise NotImplementedError(f"{type(self).__name__} has no width")


@dataclass
class BranchingAttentionAggregation(Aggregation):
    """One branch transforms each word's vector, another one says how much attention it deserves."""

    dv: int
    agg_layers: list[int] = field(default_factory=lambda: [50])
    agg_dropouts: list[float] = field(default_factory=lambda: [0.1])
    att_hid_layers: list[int] = field(default_factory=lambda: [20])
    att_dropouts: list[float] = field(default_factory=lambda: [0.0])
    agg_bn: bool = False
    att_bn: bool = False

    def __post_init__(self) -> None:
        more = {"att_dropouts": 1}         # older configs have one more there, for the words themselves
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
    """The mean of all words' vectors."""

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
    """What stands on the aggregated vector: the settings of a classifier whose aggregation comes apart."""

    drop_mult: Annotated[float, Float(0.0, 2.0)] = 1.0                # times each dropout
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
    """How a network learns."""

    def train(self, run: Run, network: Any, words: Tensor, labels: Tensor, smoothing: float,
              batch_size: int | None = None) -> None:
        """`batch_size`: the dataset's, where it has one."""
        raise NotImplementedError(f"{type(self).__name__} has no method train()")


@dataclass
class _Cycles(TrainingSchedule):
    """In each cycle the learning rate falls from `lr` to zero along a cosine."""

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
        """Which weights learn, and for how many cycles."""
        raise NotImplementedError(f"{type(self).__name__} has no method phases()")


@dataclass
class DefaultSchedule(_Cycles):
    """Everything learns, once what stands on the word vectors has learnt for `cycles_gradual` cycles."""

    cycles_gradual: int = 0
    cycles_final: int | None = None        # what older configs call `cycles`
    lr_init: float | None = None           # and `lr`

    @property
    def rate(self) -> float:
        return self.lr if self.lr_init is None else self.lr_init

    def phases(self, network: Any) -> Sequence[Phase]:
        final = self.cycles if self.cycles_final is None else self.cycles_final
        return [(head_of(network), self.cycles_gradual), (list(network.parameters()), final)]


@dataclass
class HeadOnlySchedule(_Cycles):
    """The word vectors stay as they were drawn; what stands on them learns."""

    def phases(self, network: Any) -> Sequence[Phase]:
        return [(head_of(network), self.cycles)]


def head_of(network: Any) -> list[Tensor]:
    """The weights of all that stands on the word vectors."""
    return [weight for name, weight in network.named_parameters() if not name.startswith("vectors.")]
