"""Metrics for `hyperspace rescore`, computed from stored predictions."""

from __future__ import annotations

import numpy as np
from sklearn.metrics import f1_score

from digits_study.data import Labels


def macro_f1(y_true: Labels, y_pred: Labels) -> float:
    """The F1 score of each digit, averaged."""
    return float(f1_score(y_true, y_pred, average="macro"))


def worst_digit(y_true: Labels, y_pred: Labels) -> float:
    """The lowest accuracy among the digits."""
    return float(min(np.mean(y_pred[y_true == digit] == digit) for digit in np.unique(y_true)))
