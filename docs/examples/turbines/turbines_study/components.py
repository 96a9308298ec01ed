"""Components: regressors that predict power from wind."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
from sklearn.ensemble import HistGradientBoostingRegressor

from hyperspace_core import Component, Float, Int
from turbines_study.data import Array


class Regressor(Component):
    """Predicts the power of a turbine."""

    def build(self, seed: int) -> Any:
        """Build an object with `fit(features, power)` and `predict(features)`."""
        raise NotImplementedError


@dataclass
class Boosting(Regressor):
    """Gradient boosting on all measurements."""

    iterations: Annotated[int, Int(10, 500, log=True)] = 100
    learning_rate: Annotated[float, Float(0.01, 0.5, log=True)] = 0.1

    def build(self, seed: int) -> Any:
        return HistGradientBoostingRegressor(max_iter=self.iterations, learning_rate=self.learning_rate,
                                             random_state=seed)


@dataclass
class Binned(Regressor):
    """The power curve of IEC 61400-12: the mean power in each bin of wind speed."""

    width: Annotated[float, Float(0.1, 2.0)] = 0.5  # m/s

    def build(self, seed: int) -> Any:
        return PowerCurve(self.width)


class PowerCurve:
    """Mean power by wind speed, linearly interpolated."""

    def __init__(self, width: float) -> None:
        self.width = width

    def fit(self, features: Array, power: Array) -> PowerCurve:
        bins = np.round(features[:, 0] / self.width).astype(int)
        known = np.unique(bins)
        self._speeds = known * self.width
        self._means = np.array([power[bins == one].mean() for one in known])
        return self

    def predict(self, features: Array) -> Array:
        return np.asarray(np.interp(features[:, 0], self._speeds, self._means))
