"""Components of the task `holdout`: classifiers and scalers."""

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
        """Build an estimator with `fit` and `predict_proba`, seeded by `seed`."""
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
    """Support vector machine with a radial kernel, calibrated to give probabilities."""

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
    """Builds the scaling step before the classifier."""

    def build(self) -> Any:
        """Build a scikit-learn transformer, or return "passthrough"."""
        raise NotImplementedError


@dataclass
class Unscaled(Scaler):
    """No scaling."""

    def build(self) -> Any:
        return "passthrough"


@dataclass
class Standard(Scaler):
    """Scales each pixel to mean 0 and variance 1."""

    with_std: bool = True

    def build(self) -> Any:
        return StandardScaler(with_std=self.with_std)
