"""Core's own tuners pass the suite that every tuner has to pass."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from dataclasses import replace

import pytest

from hyperspace_core.config.searchspace import Assignment, Space
from hyperspace_core.testing.tuners import TunerConformance, bowl, valley
from hyperspace_core.tuner import History, Trial, Tuner
from hyperspace_core.tuners.grid import Grid
from hyperspace_core.tuners.random import Random


class TestRandom(TunerConformance):
    @pytest.fixture
    def make(self) -> Callable[[], Tuner]:
        return Random


class TestGrid(TunerConformance):
    @pytest.fixture
    def make(self) -> Callable[[], Tuner]:
        return Grid
