"""Digits read in production: from the folder of an exported run, without a store or a queue."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sklearn.pipeline import make_pipeline

from digits_study.data import Images, Labels
from hyperspace_core import load_artifact, load_component


class Service:
    """The classifier and the scaler of an exported run of `holdout`, trained once, when the service starts.

    A second is enough for the digits. A model that trains for days is an artifact itself, written by the run
    with `run.log_artifact` and found here with `load_artifact`.
    """

    def __init__(self, folder: Path) -> None:
        classifier, scaler = load_component(folder, "classifier"), load_component(folder, "scaler")
        with np.load(load_artifact(folder, "training.npz")) as kept:
            images, labels = kept["images"].astype(np.float64), kept["labels"].astype(np.int64)
        seed = json.loads((folder / "hyperspace.json").read_text(encoding="utf-8"))["seed"]
        self._model = make_pipeline(scaler.build(), classifier.build(seed))
        self._model.fit(images, labels)

    def chances(self, images: Images) -> NDArray[np.float64]:
        """The probability of each digit, of shape (number of images, 10)."""
        found: NDArray[np.float64] = self._model.predict_proba(images)
        return found

    def read(self, images: Images) -> Labels:
        """The digit that each image most likely shows."""
        digits: Labels = self.chances(images).argmax(axis=1)
        return digits
