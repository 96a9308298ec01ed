"""Scenarios: train on few reviews, test on many others."""

from __future__ import annotations

from dataclasses import dataclass

from hyperspace_core import Lazy, Repeated, Run, Scenario
from reviews_study.components import (
    AggregatingClassifier,
    Aggregation,
    Classifier,
    DefaultSchedule,
    Head,
    TrainingSchedule,
)
from reviews_study.data import IMDB, MovieReviews, sample


@dataclass
class SmallTrainSample(Scenario):
    """Train on a small sample of reviews, drawn by the seed."""

    dataset: MovieReviews
    num_samples: int = 100
    num_judged: int = 2000

    def single_run(self, run: Run, classifier: Classifier | Head = AggregatingClassifier(),
                   training_schedule: TrainingSchedule = DefaultSchedule(),
                   aggregation: Lazy[Aggregation] | None = None) -> float:
        """Return the accuracy. `aggregation`, if given, belongs to `classifier`."""
        import torch

        from reviews_study.training import accuracy, tensors

        torch.manual_seed(run.seed)        # PyTorch was not imported yet when the run was seeded
        torch.set_num_threads(1)           # fastest for so small a network, and deterministic
        model, old = whole(classifier, aggregation), self.dataset if isinstance(self.dataset, IMDB) else None
        train, test = sample(run.stages.load_data(self.dataset), old.size if old else self.num_samples,
                             self.num_judged, run.seed)
        network = model.build()
        training_schedule.train(run, network, *tensors(train), model.label_smoothing_eps,
                                batch_size=old.bs if old else None)
        right = accuracy(network, *tensors(test), at_once=old.eval_bs if old else 100)
        run.log_scalar("accuracy", right)
        print(f"{right:.3f} of {len(test)} reviews, after {len(train)}")
        return right


@dataclass
class RepeatedSmallTrainSample(Scenario):
    """`SmallTrainSample` repeated with different seeds; for older task files."""

    dataset: MovieReviews
    num_folds: int = 5

    def single_run(self, run: Run, classifier: Classifier | Head = AggregatingClassifier(),
                   training_schedule: TrainingSchedule = DefaultSchedule(),
                   aggregation: Lazy[Aggregation] | None = None) -> dict[str, float]:
        """Return mean, deviation and all accuracies. New files use `Repeated`."""
        folds = Repeated(SmallTrainSample(self.dataset), times=self.num_folds)
        return folds.single_run(run, classifier=classifier, training_schedule=training_schedule,
                                aggregation=aggregation)


def whole(classifier: Classifier | Head, aggregation: Lazy[Aggregation] | None) -> Classifier:
    """Combine both; a given `aggregation` replaces that of the classifier."""
    if isinstance(classifier, Head):
        apart = {} if aggregation is None else {"aggregation": aggregation}
        return AggregatingClassifier(**(vars(classifier) | apart))
    if aggregation is not None:
        raise ValueError(f"`aggregation`: {type(classifier).__name__} does not take one; remove it")
    return classifier
