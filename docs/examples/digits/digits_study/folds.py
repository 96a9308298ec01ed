"""The task `folds`: cross-validation; each image is tested once."""

from __future__ import annotations

from dataclasses import dataclass

from sklearn.metrics import accuracy_score
from sklearn.model_selection import StratifiedKFold
from sklearn.pipeline import make_pipeline

from digits_study.components import Classifier, Scaler, Standard
from digits_study.data import Digits
from hyperspace_core import Run, Scenario


@dataclass
class Fold(Scenario):
    """Hold out one of several equal parts of the images, and train on the others.

    The task wraps it in `Repeated`, which runs it with `fold` 0, 1, 2, …; it also works alone.
    """

    dataset: Digits
    folds: int = 5
    fold: int = 0

    def single_run(self, run: Run, classifier: Classifier, scaler: Scaler = Standard()) -> dict[str, float]:
        """Return the accuracy on the images of the fold."""
        images, labels = self.dataset.load()
        divided = StratifiedKFold(self.folds, shuffle=True, random_state=run.seed)
        train, test = list(divided.split(images, labels))[self.fold]
        model = make_pipeline(scaler.build(), classifier.build(run.seed)).fit(images[train], labels[train])
        accuracy = float(accuracy_score(labels[test], model.predict(images[test])))
        run.log_scalar("accuracy", accuracy)
        return {"accuracy": accuracy}
