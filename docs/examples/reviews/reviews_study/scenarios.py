"""How one experiment goes: few reviews to learn from, many others to judge by."""

from __future__ import annotations

from dataclasses import dataclass

from hyperspace_core import Lazy, Run, Scenario
from reviews_study.components import (
    AggregatingClassifier,
    Aggregation,
    Classifier,
    DefaultSchedule,
    Head,
    TrainingSchedule,
)
from reviews_study.data import MovieReviews, sample


@dataclass
class SmallTrainSample(Scenario):
    """Learn from a few reviews, which the seed draws."""

    dataset: MovieReviews
    num_samples: int = 100
    num_judged: int = 2000

    def single_run(self, run: Run, classifier: Classifier | Head = AggregatingClassifier(),
                   training_schedule: TrainingSchedule = DefaultSchedule(),
                   aggregation: Lazy[Aggregation] | None = None) -> float:
        """The accuracy. With an `aggregation` of its own, `classifier` is just what stands on it."""
        import torch

        from reviews_study.training import accuracy, tensors

        torch.manual_seed(run.seed)        # PyTorch was not there yet when the run was seeded
        torch.set_num_threads(1)           # for so small a network one is fastest, and adds up in one order
        model = whole(classifier, aggregation)
        train, test = sample(self.dataset.load(), self.num_samples, self.num_judged, run.seed)
        network = model.build()
        training_schedule.train(run, network, *tensors(train), model.label_smoothing_eps)
        right = accuracy(network, *tensors(test))
        run.log_scalar("accuracy", right)
        print(f"{right:.3f} of {len(test)} reviews, after {len(train)}")
        return right


def whole(classifier: Classifier | Head, aggregation: Lazy[Aggregation] | None) -> Classifier:
    """The classifier of both; where it has an aggregation, the one that stands beside it wins."""
    if isinstance(classifier, Head):
        apart = {} if aggregation is None else {"aggregation": aggregation}
        return AggregatingClassifier(**(vars(classifier) | apart))
    if aggregation is not None:
        raise ValueError(f"`aggregation`: {type(classifier).__name__} takes none")
    return classifier
