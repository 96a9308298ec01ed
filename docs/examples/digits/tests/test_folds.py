"""Tests of the task `folds`, without queue, store or worker."""

from __future__ import annotations

import pytest

from digits_study.components import Linear
from digits_study.data import Digits
from digits_study.folds import Fold
from hyperspace_core import Repeated, Run


def test_a_fold_works_alone() -> None:
    assert Fold(Digits(limit=300), fold=2).single_run(Run.local(seed=0), Linear())["accuracy"] > 0.8


def test_five_folds_equal_five_single_runs() -> None:
    fold = Fold(Digits(limit=300))
    numbers = Repeated(fold, times=5, fold="fold").single_run(Run.local(seed=0), classifier=Linear())

    alone = [Fold(Digits(limit=300), fold=one).single_run(Run.local(seed=0), Linear())["accuracy"]
             for one in range(5)]
    assert [numbers[f"accuracy/fold-{one}"] for one in range(5)] == alone
    assert numbers["accuracy"] == pytest.approx(sum(alone) / 5)
