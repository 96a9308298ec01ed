"""Wrapping scenarios on real data, in a real worker."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Any

import pytest

from hyperspace_core.components import Dataset, Scenario
from hyperspace_core.extension.manager import build_manager
from hyperspace_core.records.run import RunRecord
from hyperspace_core.records.states import State
from hyperspace_core.results.repeats import measurements
from hyperspace_core.run import Run
from hyperspace_core.scenarios import PerSeries, Rolling
from hyperspace_core.stores.sqlite import open_store
from hyperspace_core.study import Study
from hyperspace_core.worker.state import WorkerOptions
from hyperspace_core.worker.worker import Worker
from support.behaving import until

FIRMS = 11
YEARS = range(1935, 1955)


def drained(project: str, task: str, folder: Path, config: dict[str, Any]) -> RunRecord:
    """Queue a run, execute it in a worker, return its record."""
    url = f"sqlite:///{folder}/runs.db"
    with Study(project, url) as study:
        run = study.submit(task, config)
        assert isinstance(run, int)
        with open_store(url, project) as store:
            Worker(store, project, build_manager(), WorkerOptions(drain=True)).run()
        record = study.store.get(run)
    assert record.state is State.COMPLETED, record.reason
    return record


def test_folds_of_the_digits(tmp_path: Path) -> None:
    record = drained("digits", "folds", tmp_path, {"classifier": "Linear"})

    folds = [record.metrics[f"accuracy/fold-{fold}"] for fold in range(5)]
    assert record.result == pytest.approx(sum(folds) / 5)
    assert min(folds) > 0.93


def test_finished_folds_of_a_killed_worker_are_not_repeated(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/runs.db"
    with Study("digits", url) as study:
        run = study.submit("folds", {"classifier": {"className": "Forest", "trees": 300}})
        assert isinstance(run, int)
        first = subprocess.Popen([sys.executable, "-P", "-m", "hyperspace_core", "worker", "--drain",
                                  "--project", "digits", "--storage", url], stderr=subprocess.DEVNULL,
                                 stdout=subprocess.DEVNULL, start_new_session=True)
        try:
            until(lambda: "part/fold-0" in study.store.get(run).info, "the first fold is kept")
        finally:
            os.killpg(first.pid, signal.SIGKILL)
            first.wait()
        kept = {name: note for name, note in study.store.get(run).info.items() if name.startswith("part/")}
        with open_store(url, "digits") as store:
            Worker(store, "digits", build_manager(), WorkerOptions(drain=True)).run()
        record = study.store.get(run)

    assert record.state is State.COMPLETED, record.reason
    assert [str(attempt.outcome) for attempt in record.attempts] == ["lost", "completed"]
    assert kept and all(record.info[name] == note for name, note in kept.items())
    assert record.info["part/fold-4"]["attempt"] == 2
    assert len(measurements(record)) == 5


@pytest.fixture
def turbines() -> Iterator[str]:
    for name, cure in (("hyperspace-example-turbines", "-e docs/examples/turbines"),
                       ("openoa", "--no-deps openoa==3.2")):
        try:
            distribution(name)
        except PackageNotFoundError:
            pytest.skip(f"{name} is not installed: python -m pip install {cure}")
    yield "turbines"


def test_a_model_for_each_wind_turbine(turbines: str, tmp_path: Path) -> None:
    record = drained(turbines, "each_turbine", tmp_path, {"regressor": "Binned"})

    assert record.metric.goal == "minimize"
    each = {name: value for name, value in record.metrics.items() if name.startswith("error_kw/R")}
    assert list(each) == ["error_kw/R80711", "error_kw/R80721", "error_kw/R80736", "error_kw/R80790"]
    assert all(20 < value < 60 for value in each.values())
    assert record.attempt is not None
    assert len(record.attempt.provenance["data"]["fingerprints"]) == 4     # of each turbine's measurements


def test_a_model_that_is_retrained_each_month(turbines: str, tmp_path: Path) -> None:
    record = drained(turbines, "each_month", tmp_path, {"regressor": "Binned"})

    months = [value for name, value in record.metrics.items() if name.startswith("error_kw/2")]
    assert len(months) == 18
    assert max(months) > 2 * min(months)               # the months differ


@dataclass
class Firm(Dataset):
    """Grunfeld's investments of American firms: value and capital of a year, and what was invested."""

    firm: str = "General Motors"
    train_from: int = YEARS[0]
    test_from: int = 1950
    test_until: int = YEARS[-1] + 1

    def every_series(self) -> list[str]:
        return list(dict.fromkeys(self._table()["firm"]))

    def load(self) -> tuple[Any, Any]:
        table = self._table()
        own = table[table["firm"] == self.firm]
        return (own[(own["year"] >= self.train_from) & (own["year"] < self.test_from)],
                own[(own["year"] >= self.test_from) & (own["year"] < self.test_until)])

    def _table(self) -> Any:
        grunfeld = pytest.importorskip("statsmodels.datasets.grunfeld", reason="statsmodels is not installed")
        return grunfeld.load_pandas().data


@dataclass
class Investment(Scenario):
    dataset: Firm

    def single_run(self, alpha: float = 1.0) -> dict[str, float]:
        from sklearn.linear_model import Ridge

        train, test = self.dataset.load()
        model = Ridge(alpha).fit(train[["value", "capital"]].to_numpy(), train["invest"].to_numpy())
        off = model.predict(test[["value", "capital"]].to_numpy()) - test["invest"].to_numpy()
        return {"error": float(abs(off).mean()), "years": len(test)}


def test_a_model_for_each_of_eleven_firms() -> None:
    numbers = PerSeries(Investment(Firm()), key="dataset.firm").single_run(Run.local(seed=0), alpha=0.1)

    each = [value for name, value in numbers.items() if name.startswith("error/") and name != "error/sd"]
    assert len(each) == FIRMS
    assert numbers["error"] == pytest.approx(sum(each) / FIRMS)
    assert numbers["error/General-Motors"] == Investment(Firm()).single_run(alpha=0.1)["error"]


def test_a_model_that_is_retrained_every_other_year() -> None:
    rolling = Rolling(Investment(Firm()), first=1945, last=1955, step=2, window=8)
    numbers = rolling.single_run(Run.local(seed=0), alpha=0.1)

    assert [name for name in numbers if name.startswith("years/1")] == [
        f"years/{year}" for year in (1945, 1947, 1949, 1951, 1953)]
    assert numbers["years"] == 2.0
