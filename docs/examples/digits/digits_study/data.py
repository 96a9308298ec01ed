"""The data of all tasks: real handwritten digits, 8×8 grey values from 0 to 16."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from hyperspace_core import Dataset

Images = NDArray[np.float64]       # (number of images, 64)
Labels = NDArray[np.int64]         # (number of images,)


@dataclass
class Digits(Dataset):
    """The 1,797 images of scikit-learn, or the first `limit` of them."""

    version: int = 1
    limit: int | None = None

    def load(self) -> tuple[Images, Labels]:
        images, labels = load_digits(return_X_y=True)
        return images[: self.limit], labels[: self.limit]


@dataclass(frozen=True)
class Split:
    """Training images and test images, with labels."""

    train_images: Images
    train_labels: Labels
    test_images: Images
    test_labels: Labels


def split(images: Images, labels: Labels, *, test_share: float, seed: int) -> Split:
    """Shuffle and split the images, stratified by label."""
    train_images, test_images, train_labels, test_labels = train_test_split(
        images, labels, test_size=test_share, random_state=seed, stratify=labels
    )
    return Split(train_images, train_labels, test_images, test_labels)
