"""Classify digits in production, from the folder of an exported run."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sklearn.pipeline import make_pipeline

from digits_study.data import Images, Labels
from hyperspace_core import load_artifact, load_component


class Service:
    """A service with the classifier and the scaler of an exported run of `holdout`.

    The model is trained when the service starts, which takes a second. Store a model that trains for days as
    an artifact: the run writes it with `run.log_artifact`, the service reads it with `load_artifact`.
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
        """The most probable digit of each image."""
        digits: Labels = self.chances(images).argmax(axis=1)
        return digits
