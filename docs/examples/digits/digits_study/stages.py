"""The task `pipeline`: one class for each stage of core's `Pipeline`.

The live run is not passed to these classes; `current_run()` returns it for logging.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Annotated, Any

import numpy as np
from sklearn.linear_model import SGDClassifier
from sklearn.metrics import accuracy_score
from sklearn.neural_network import MLPClassifier

from digits_study.data import Digits, Images, Labels, Split, split
from hyperspace_core import Dataset, Float, Int, Model, Preprocessor, Scorer, Trainer, current_run


@dataclass
class SplitDigits(Dataset):
    """The digits with a fixed split: all runs use the same test images."""

    test_share: float = 0.25
    split_seed: int = 0

    def load(self) -> Split:
        return split(*Digits().load(), test_share=self.test_share, seed=self.split_seed)


@dataclass
class Binarized(Preprocessor):
    """Binary images: 1.0 where a grey value is above the threshold."""

    threshold: Annotated[float, Float(0.0, 15.0)] = 8.0

    def apply(self, data: Split) -> Split:
        ink = self._ink
        return replace(data, train_images=ink(data.train_images), test_images=ink(data.test_images))

    def _ink(self, images: Images) -> Images:
        return (images > self.threshold).astype(np.float64)


@dataclass
class Rescaled(Preprocessor):
    """Scales grey values to the range from 0 to 1."""

    def apply(self, data: Split) -> Split:
        return replace(data, train_images=data.train_images / 16, test_images=data.test_images / 16)


@dataclass
class Learner:
    """A scikit-learn estimator, built by the models, that fits a split."""

    estimator: Any

    def fit(self, data: Split) -> None:
        """Train until the estimator stops by itself; core's trainer `Fit` calls this."""
        self.estimator.fit(data.train_images, data.train_labels)

    def learn_once(self, data: Split) -> None:
        """Train for one pass over the training images."""
        self.estimator.partial_fit(data.train_images, data.train_labels, classes=np.unique(data.train_labels))

    def accuracy(self, images: Images, labels: Labels) -> float:
        return float(accuracy_score(labels, self.estimator.predict(images)))


@dataclass
class Perceptron(Model):
    """A linear model, trained by stochastic gradient descent."""

    alpha: Annotated[float, Float(1e-6, 1e-1, log=True)] = 1e-4

    def build(self, data: Split) -> Learner:
        return Learner(SGDClassifier(loss="log_loss", alpha=self.alpha, random_state=current_run().seed))


@dataclass
class Network(Model):
    """A network with one hidden layer."""

    hidden: Annotated[int, Int(4, 256, log=True)] = 32
    learning_rate: Annotated[float, Float(1e-4, 1e-1, log=True)] = 5e-3

    def build(self, data: Split) -> Learner:
        return Learner(MLPClassifier((self.hidden,), learning_rate_init=self.learning_rate,
                                     random_state=current_run().seed))


@dataclass
class Passes(Trainer):
    """Trains for several passes and logs the training accuracy after each."""

    epochs: Annotated[int, Int(1, 100, log=True)] = 10

    def train(self, model: Learner, data: Split) -> Learner:
        run = current_run()
        for epoch in range(1, self.epochs + 1):
            model.learn_once(data)
            run.log_scalar("train_accuracy", model.accuracy(data.train_images, data.train_labels), epoch)
            run.progress(epoch, self.epochs)
            if run.should_stop():
                break
        return model


@dataclass
class Accuracy(Scorer):
    """Share of the test images that are classified correctly."""

    def score(self, model: Learner, data: Split) -> dict[str, float]:
        return {"accuracy": model.accuracy(data.test_images, data.test_labels)}
