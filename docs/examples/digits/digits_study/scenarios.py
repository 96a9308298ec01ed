"""The task `holdout`: train on growing shares, test on held-out images."""

from __future__ import annotations

import io
from dataclasses import dataclass

import numpy as np
from sklearn.metrics import accuracy_score, log_loss
from sklearn.pipeline import make_pipeline

from digits_study.components import Classifier, Scaler, Standard
from digits_study.data import Split, split
from hyperspace_core import Dataset, Run, Scenario

GOLDEN = 5  # test images that are stored as golden data, to check a deployed model


@dataclass
class Holdout(Scenario):
    """Train on growing shares of the images, for a learning curve."""

    dataset: Dataset
    test_share: float = 0.25
    curve_points: int = 4

    def single_run(self, run: Run, classifier: Classifier, scaler: Scaler = Standard()) -> dict[str, float]:
        """Return accuracy and log loss on the test images, trained on all others."""
        data = split(*run.stages.load_data(self.dataset), test_share=self.test_share, seed=run.seed)
        for point in range(1, self.curve_points + 1):
            size = len(data.train_labels) * point // self.curve_points
            model = make_pipeline(scaler.build(), classifier.build(run.seed))
            model.fit(data.train_images[:size], data.train_labels[:size])
            chances = model.predict_proba(data.test_images)
            loss = float(log_loss(data.test_labels, chances))
            accuracy = float(accuracy_score(data.test_labels, chances.argmax(axis=1)))
            run.log_scalar("loss", loss, size)
            run.log_scalar("accuracy", accuracy, size)
            run.progress(point, self.curve_points, f"{size} images")
        run.log_predictions(data.test_labels.astype(np.uint8), chances.argmax(axis=1).astype(np.uint8),
                            chances=chances.astype(np.float32))
        keep_for_production(run, data)
        run.log_golden({"images": data.test_images[:GOLDEN]}, {"chances": chances[:GOLDEN]})
        print(f"{accuracy:.1%} of {len(data.test_labels)} images read correctly")
        return {"accuracy": accuracy, "log_loss": loss}


def keep_for_production(run: Run, data: Split) -> None:
    """Store the training data in a format that executes no code when it is read."""
    images, labels = data.train_images.astype(np.uint8), data.train_labels.astype(np.uint8)  # whole numbers
    file = io.BytesIO()
    np.savez_compressed(file, images=images, labels=labels)
    run.log_artifact(file.getvalue(), "training.npz")
