"""Runs as a pandas frame."""

from __future__ import annotations

import math
import subprocess
import sys

import pytest

from hyperspace_core.results.results import Results
from support.records import completed, queued

pandas = pytest.importorskip("pandas")

FOREST = {"classifier": {"className": "Forest", "trees": 10, "balanced": True}}
SUPPORT = {"classifier": {"className": "Support", "C": 0.5, "kernels": ["rbf"]}}
OTHER = {"classifier": {"className": "Support", "C": 2, "kernels": ["poly"]}}


def test_a_frame_has_a_row_a_run_best_first_under_its_id() -> None:
    frame = Results([completed(3, 0.5, FOREST),
                     completed(7, 0.9, SUPPORT), completed(8, 0.1, OTHER)]).to_frame()

    assert (frame.index.name, list(frame.index), str(frame.index.dtype)) == ("run", [7, 3, 8], "int64")
    assert list(frame.columns) == ["accuracy", "classifier", "C", "kernels"]
    assert frame.loc[7, "accuracy"] == 0.9
    assert list(frame["classifier"]) == ["Support", "Forest", "Support"]


def test_numbers_are_numbers_and_a_missing_one_is_nan() -> None:
    frame = Results([completed(1, 0.5, FOREST),
                     completed(2, 0.9, SUPPORT), completed(3, 0.1, OTHER)]).to_frame()

    assert (str(frame["accuracy"].dtype), str(frame["C"].dtype)) == ("float64", "float64")
    assert math.isnan(frame.loc[1, "C"]) and frame.loc[3, "C"] == 2.0
    assert frame.loc[1, "kernels"] is None and frame.loc[2, "kernels"] == ("rbf",)


def test_integers_and_booleans_keep_their_types() -> None:
    runs = [completed(n, 0.5, {"trees": n, "balanced": n == 1}) for n in (1, 2)]
    frame = Results(runs).to_frame()

    assert str(frame["trees"].dtype) == "int64"
    assert list(frame["balanced"]) == [True, False]


def test_a_frame_of_no_runs_is_empty() -> None:
    for frame in (Results().to_frame(), Results().to_frame(constant=True)):
        assert frame.shape == (0, len(frame.columns)) and frame.index.name == "run"


def test_a_run_without_a_result_has_a_row_like_any_other() -> None:
    frame = Results([queued(2), completed(1, 0.5), completed(3, math.nan)]).to_frame()

    assert list(frame.index) == [1, 3, 2]
    assert [math.isnan(value) for value in frame["accuracy" if "accuracy" in frame else "result"]] == [
        False, True, True]


def test_constant_columns_are_kept_on_request() -> None:
    frame = Results([completed(1, 0.5, FOREST)]).to_frame(constant=True)

    assert frame.loc[1, "trees"] == 10 and frame.loc[1, "task"] == "holdout"
    assert "trees" not in Results([completed(1, 0.5, FOREST)]).to_frame()


def test_missing_pandas_names_the_install_command() -> None:
    code = """
import sys
sys.modules["pandas"] = None       # what Python itself takes for "cannot be imported"
from hyperspace_core.errors import HyperspaceError
from hyperspace_core.results.results import Results
print(Results())
try:
    Results().to_frame()
except HyperspaceError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == ("no runs\na frame needs pandas, which is not installed; "
                           "pip install 'hyperspace-core[pandas]'\n")
