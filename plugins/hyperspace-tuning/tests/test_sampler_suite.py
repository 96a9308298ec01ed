"""Every tuner of the plugin passes core's suite, if its packages are installed."""

from __future__ import annotations

from collections.abc import Callable

import pytest

pytest.importorskip("optuna", reason="the tuners of this plugin need Optuna")

from hyperspace_tuning.samplers.tuners import GP, NSGAII, TPE, CmaEs, Sampler
from hyperspace_tuning.testing import TunerConformance
from hyperspace_tuning.tuner import Tuner


class TestTPE(TunerConformance):
    @pytest.fixture
    def make(self) -> Callable[[], Tuner]:
        return TPE


class TestNSGAII(TunerConformance):
    runs = 150                     # a genetic search needs some generations

    @pytest.fixture
    def make(self) -> Callable[[], Tuner]:
        return NSGAII


class TestCmaEs(TunerConformance):
    runs = 80

    @pytest.fixture
    def make(self) -> Callable[[], Tuner]:
        return CmaEs


class TestGP(TunerConformance):
    runs = 30

    @pytest.fixture
    def make(self) -> Callable[[], Tuner]:
        return GP


class TestASamplerByName(TunerConformance):
    @pytest.fixture
    def make(self) -> Callable[[], Tuner]:
        return lambda: Sampler("TPESampler", {"multivariate": True, "group": True})
