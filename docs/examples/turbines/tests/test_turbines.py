"""Tests of one model per turbine and per month, on real measurements."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, distribution

import pytest

from hyperspace_core import PerSeries, Rolling, Run

pytest.importorskip("turbines_study", reason="python -m pip install -e docs/examples/turbines")

from turbines_study.components import Binned, Boosting
from turbines_study.data import CURE, Turbine
from turbines_study.scenarios import PowerOfOne

try:
    distribution("openoa")
except PackageNotFoundError:
    pytest.skip(CURE, allow_module_level=True)

TURBINES = ["R80711", "R80721", "R80736", "R80790"]


def test_one_turbine() -> None:
    error = PowerOfOne(Turbine(turbine="R80736")).single_run(Run.local(seed=0), Boosting())["error_kw"]

    assert 20 < error < 60


def test_each_turbine_has_its_own_model() -> None:
    each = PerSeries(PowerOfOne(Turbine()), key="dataset.turbine")
    numbers = each.single_run(Run.local(seed=0), regressor=Binned())

    assert [numbers[f"error_kw/{turbine}"] for turbine in TURBINES] == [
        PowerOfOne(Turbine(turbine=turbine)).single_run(Run.local(seed=0), Binned())["error_kw"]
        for turbine in TURBINES]
    assert all(20 < numbers[f"error_kw/{turbine}"] < 60 for turbine in TURBINES)


def test_a_model_is_trained_again_each_month() -> None:
    rolling = Rolling(PowerOfOne(Turbine()), first="2014-07-01", last="2014-10-01", step="1 month")
    numbers = rolling.single_run(Run.local(seed=0), regressor=Binned())

    assert [name for name in numbers if "/2014" in name] == [
        "error_kw/2014-07-01", "error_kw/2014-08-01", "error_kw/2014-09-01"]
