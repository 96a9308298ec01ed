"""What a config of the task `holdout` can choose: a classifier and a scaler. Plain Python."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from hyperspace_core import Component, Float, Int


class Classifier(Component):
    """Builds an unfitted scikit-learn classifier."""

    def build(self, seed: int) -> Any:
        """An estimator with `fit` and `predict_proba`; `seed` makes it repeatable."""
        raise NotImplementedError


@dataclass
class Forest(Classifier):
    """Random forest."""

    trees: Annotated[int, Int(10, 1000, log=True)] = 100
    max_depth: int | None = None

    def build(self, seed: int) -> Any:
        return RandomForestClassifier(self.trees, max_depth=self.max_depth, random_state=seed)


@dataclass
class Support(Classifier):
    """Support vector machine with a radial kernel, calibrated so that it gives probabilities."""

    C: Annotated[float, Float(1e-3, 1e3, log=True)] = 1.0

    def build(self, seed: int) -> Any:
        return CalibratedClassifierCV(SVC(C=self.C, random_state=seed), ensemble=False, cv=3)


@dataclass
class Linear(Classifier):
    """Logistic regression."""

    C: Annotated[float, Float(1e-3, 1e3, log=True)] = 0.1

    def build(self, seed: int) -> Any:
        return LogisticRegression(C=self.C, max_iter=5000, random_state=seed)


class Scaler(Component):
    """Builds what is put in front of the classifier."""

    def build(self) -> Any:
        """A transformer, or what scikit-learn takes for none."""
        raise NotImplementedError


@dataclass
class Unscaled(Scaler):
    """The grey values as they are."""

    def build(self) -> Any:
        return "passthrough"


@dataclass
class Standard(Scaler):
    """Every pixel with mean 0 and variance 1."""

    with_std: bool = True

    def build(self) -> Any:
        return StandardScaler(with_std=self.with_std)
