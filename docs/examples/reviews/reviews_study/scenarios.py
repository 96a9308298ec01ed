"""How one experiment goes: few reviews to learn from, many others to judge by."""

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
    """The same `num_folds` times, each with a seed of its own, as older task files call it."""

    dataset: MovieReviews
    num_folds: int = 5

    def single_run(self, run: Run, classifier: Classifier | Head = AggregatingClassifier(),
                   training_schedule: TrainingSchedule = DefaultSchedule(),
                   aggregation: Lazy[Aggregation] | None = None) -> dict[str, float]:
        """Mean, spread and every fold's own accuracy. New task files wrap the other in `Repeated`."""
        folds = Repeated(SmallTrainSample(self.dataset), times=self.num_folds)
        return folds.single_run(run, classifier=classifier, training_schedule=training_schedule,
                                aggregation=aggregation)


def whole(classifier: Classifier | Head, aggregation: Lazy[Aggregation] | None) -> Classifier:
    """The classifier of both; where it has an aggregation, the one that stands beside it wins."""
    if isinstance(classifier, Head):
        apart = {} if aggregation is None else {"aggregation": aggregation}
        return AggregatingClassifier(**(vars(classifier) | apart))
    if aggregation is not None:
        raise ValueError(f"`aggregation`: {type(classifier).__name__} takes none")
    return classifier
