"""Pruned runs of a search, with real workers, processes and store."""

from __future__ import annotations

import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hyperspace_core.errors import StoreUnavailable
from hyperspace_core.records.info import Pruned, pruned_at
from hyperspace_core.records.run import Metric, NewRun, RunRecord
from hyperspace_core.records.search import Budget, NewSearch
from hyperspace_core.records.states import PRUNED, Outcome, State
from hyperspace_core.storage import Store, new_token
from hyperspace_tuning.search_curves import Curves, SearchCurves
from pytest_hyperspace.project import FakeClock, ProjectFolder
from support.behaving import PROJECT, WorkerProcess, alive, began, in_state, until
from support.faults import Door

Here = Callable[..., Any]
ASKS = {"className": "Asks"}
MEDIAN = {"className": "Median", "startup_runs": 1}
SCORE = Metric(name="score")

PLUGIN = '''
from hyperspace_core.markers import hookimpl

@hookimpl
def hyperspace_register(register):
    from hyperspace_tuning.pruner import Pruner
    from behaving import pruners, scenarios
    register.scenario(scenarios.learn, metric="score")
    register.module(scenarios)
    register.module(pruners)
'''

SCENARIOS = '''
import os
import time
from dataclasses import dataclass
from pathlib import Path

from hyperspace_core.components import Scenario
from hyperspace_core.run import Run


def learn(run: Run, level: float = 0.5, steps: int = 8, how: str = "well", folder: str = "") -> dict:
    """Its score climbs to `level`, and is logged at each step."""
    if folder:
        (Path(folder) / f"began-{run.id}-{run.attempt}").write_text(str(os.getpid()))
    for step in range(1, steps + 1):
        score = level * step / steps
        run.log_scalar("score", score, step)
        if folder:
            (Path(folder) / f"at-{run.id}-{step}").touch()
            while (Path(folder) / f"hold-{run.id}-{step}").exists():
                time.sleep(0.01)
        if run.should_stop() and how != "goes on":
            return {"well": {"score": score}, "nothing": None, "else": {"seconds": 1.0}}[how]
    if folder:
        (Path(folder) / f"end-{run.id}").touch()
    return {"score": score}


@dataclass
class Fold(Scenario):
    fold: int = 0

    def single_run(self, run: Run, level: float = 0.5) -> dict:
        return learn(run, level)
'''

PRUNERS = '''
from pathlib import Path

from hyperspace_tuning.pruner import Pruner
from hyperspace_core.run import current_run


class Asks(Pruner):
    """Reads the peers, and never stops a run."""

    def should_stop(self, curve, peers, goal):
        run = current_run()
        if run.config["folder"]:
            (Path(run.config["folder"]) / f"asks-{run.id}-{curve.step}").touch()
        print(f"at {curve.step}:", *sorted(f"{peer.run} {peer.state} {peer.curve.step}" for peer in peers))
        return False


class Broken(Pruner):
    def should_stop(self, curve, peers, goal):
        raise ZeroDivisionError("as asked")
'''

FILES = {"hyperspace.py": PLUGIN, "scenarios.py": SCENARIOS, "pruners.py": PRUNERS, "__init__.py": ""}


@pytest.fixture
def project(hyperspace_project: Callable[..., ProjectFolder]) -> ProjectFolder:
    return hyperspace_project(FILES, name=PROJECT)


class Search:
    """A search whose runs are submitted by hand."""

    def __init__(self, store: Store, pruner: dict[str, Any] | None, scenario: dict[str, Any] | None = None,
                 ) -> None:
        self.store, self.uid = store, new_token()
        self.scenario = scenario or {"className": "learn"}
        search = store.add_search(NewSearch(
            uid=self.uid, project=PROJECT, task="learn", scenario=self.scenario, metrics=(SCORE,),
            tuner={"className": "Random"}, budget=Budget(runs=1), pruner=pruner))
        store.end_search(search, "its runs are submitted by hand")

    def submit(self, **config: Any) -> int:
        new = NewRun(uid=new_token(), project=PROJECT, task="learn", submitted=config, config=config, seed=1,
                     scenario=self.scenario, metric=SCORE, search=self.uid)
        return self.store.submit([new])[0]


def printed(store: Store, run: int) -> str:
    return "".join(chunk.text for chunk in store.output(run))


def done(here: Here, store: Store, *runs: int, **options: Any) -> list[RunRecord]:
    """The runs, executed by one worker."""
    here(drain=True, **options).join()
    return [store.get(run) for run in runs]


# -- the decision --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("isolation", ["warm", "spawn", "inline"])
def test_a_run_worse_than_its_peer_stops_at_its_first_value(
        store: Store, here: Here, isolation: str) -> None:
    search = Search(store, MEDIAN)
    good, bad = search.submit(level=0.9), search.submit(level=0.09)

    before, record = done(here, store, good, bad, isolation=isolation)

    assert (before.state, before.reason, before.result) == (State.COMPLETED, None, 0.9)
    assert (record.state, record.reason, record.result) == (State.COMPLETED, PRUNED, 0.09 / 8)
    assert record.attempts[0].outcome is Outcome.COMPLETED
    assert pruned_at(record) == Pruned(series="score", values=1, step=1)
    assert [point.step for point in store.points(bad)] == [1]
    assert "pruned at step 1, score 0.01" in printed(store, bad)


def test_a_run_that_is_better_goes_on_to_its_end(store: Store, here: Here) -> None:
    search = Search(store, MEDIAN)
    runs = [search.submit(level=level) for level in (0.1, 0.2, 0.3)]

    assert [record.result for record in done(here, store, *runs)] == [0.1, 0.2, 0.3]
    assert [store.get(run).reason for run in runs] == [None] * 3


def test_runs_of_other_searches_and_of_none_are_no_peers(store: Store, here: Here) -> None:
    other, search = Search(store, MEDIAN), Search(store, MEDIAN)
    good, bad = other.submit(level=0.9), search.submit(level=0.1)
    alone = NewRun(uid=new_token(), project=PROJECT, task="learn", submitted={"level": 0.01})
    free = store.submit([alone])[0]

    assert [record.reason for record in done(here, store, good, bad, free)] == [None] * 3


def test_the_curve_so_far_of_a_running_run_counts(store: Store, here: Here, tmp_path: Path) -> None:
    search = Search(store, ASKS)
    worker = here(slots=2)
    hold = tmp_path / "hold-1-3"
    hold.touch()
    first = search.submit(level=0.9, folder=str(tmp_path))
    assert first == 1
    until(lambda: len(list(store.points(first))) == 3, "three points of the first run in the store")
    second = search.submit(level=0.5, steps=2)
    in_state(store, second, State.COMPLETED)
    hold.unlink()
    in_state(store, first, State.COMPLETED)
    worker.stop()
    worker.join()

    assert printed(store, second) == "at 1: 1 running 3\nat 2: 1 running 3\n"
    assert "at 8: 2 completed 2" in printed(store, first)


def test_the_pruner_gets_states_and_curves_of_ended_runs(store: Store, here: Here) -> None:
    search = Search(store, {"className": "SuccessiveHalving", "min_steps": 2, "reduction": 2})
    good, bad = search.submit(level=0.9), search.submit(level=0.09)
    broken = search.submit(level=0.9, how="unheard of")        # at a stop, which does not come
    best = search.submit(level=0.95, steps=1)
    records = done(here, store, good, bad, broken, best)
    assert [record.reason for record in records] == [None, PRUNED, None, None]

    store.cancel(search.submit())
    peers = SearchCurves(Curves(store, PROJECT), store, store.get(best), FakeClock()).answer("score")
    assert {one.run: (one.state, len(one.points)) for one in peers.ended} == {
        good: ("completed", 8), bad: ("pruned", 2), broken: ("completed", 8)}
    assert peers.running == []


# -- the run after the decision ------------------------------------------------------------------------------


@pytest.mark.parametrize(("how", "metrics"), [
    ("well", {"score": 0.1125}), ("nothing", {"score": 0.1125}),
    ("else", {"seconds": 1.0, "score": 0.1125})])
def test_the_last_value_is_the_result_of_a_run_without_one(
        store: Store, here: Here, how: str, metrics: dict[str, float]) -> None:
    run = Search(store, {"className": "AsRecorded", "values": 1}).submit(level=0.9, how=how)

    (record,) = done(here, store, run)

    assert (record.reason, record.result, record.metrics) == (PRUNED, metrics["score"], metrics)


def test_a_run_that_ignores_should_stop_counts_as_pruned(store: Store, here: Here) -> None:
    run = Search(store, {"className": "AsRecorded", "values": 1}).submit(level=0.9, how="goes on")

    (record,) = done(here, store, run)

    assert (record.state, record.reason, record.result) == (State.COMPLETED, PRUNED, 0.9)
    assert pruned_at(record) == Pruned(series="score", values=1, step=1)


def test_the_pruner_may_watch_another_series(store: Store, here: Here) -> None:
    pruner = {"className": "AsRecorded", "values": 2, "metric": "score", "goal": "minimize"}

    (record,) = done(here, store, Search(store, pruner).submit(level=0.9))

    assert pruned_at(record) == Pruned(series="score", values=2, step=2)


def test_no_pruner_looks_inside_the_parts_of_a_run(store: Store, here: Here) -> None:
    parts = {"className": "Repeated", "times": 2, "fold": "fold", "slots": 1,
             "scenario": {"className": "Fold", "fold": 0}}
    pruner = {"className": "AsRecorded", "values": 1, "metric": "fold-0/score", "goal": "maximize"}
    run = Search(store, pruner, parts).submit(level=0.9)

    (record,) = done(here, store, run)

    assert (record.state, record.reason, record.result) == (State.COMPLETED, None, 0.9), record.reason
    assert [point.name for point in store.points(run)] == ["fold-0/score"] * 8 + ["fold-1/score"] * 8


# -- pruners that fail ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(("pruner", "said"), [
    ({"className": "Broken"}, "this run is not stopped early: ZeroDivisionError: as asked"),
    ({"className": "Gone"}, "no pruner 'Gone'"),
    ({"className": "SuccessiveHalving", "reduction": 1}, "`reduction`: expected at least 2, got 1"),
    ({"className": "Median", "metric": "loss"}, "give its goal"),
])
def test_a_failing_pruner_is_reported_once_and_stops_no_run(store: Store, here: Here, pruner: dict[str, Any],
                                                            said: str) -> None:
    (record,) = done(here, store, Search(store, pruner).submit(level=0.9))

    assert (record.state, record.reason, record.result) == (State.COMPLETED, None, 0.9)
    assert printed(store, record.id).count(said) == 1


# -- a store or worker without answer ------------------------------------------------------------------------


def test_while_the_store_is_away_no_run_is_stopped(store: Store, here: Here, door: Door,
                                                   tmp_path: Path) -> None:
    search = Search(store, MEDIAN)
    done(here, store, search.submit(level=0.9))
    bad, hold = search.submit(level=0.09, folder=str(tmp_path)), tmp_path / "hold-2-1"
    hold.touch()
    worker = here(store=door.port)
    until((tmp_path / f"at-{bad}-1").exists, "the run has logged a value")
    door.shut_it()
    hold.unlink()
    until((tmp_path / f"end-{bad}").exists, "the run goes on to its end")
    door.open_it()
    record = in_state(store, bad, State.COMPLETED)
    worker.stop()
    worker.join()

    assert (record.reason, record.result) == (None, 0.09)


def test_a_slow_store_is_read_a_tenth_of_the_time_at_most(
        store: Store, door: Door) -> None:
    search, clock = Search(store, MEDIAN), FakeClock()
    peering = SearchCurves(Curves(door.port, PROJECT), door.port, store.get(search.submit()), clock)

    def asked() -> tuple[bool, int]:
        return peering.answer("score").known, door.calls.count("find")

    def waits(*_: Any, **__: Any) -> Any:
        clock.advance(5.0)
        raise StoreUnavailable("the store is away")

    door.find = waits                              # type: ignore[attr-defined]
    assert asked() == (False, 0)
    del door.find                                  # type: ignore[attr-defined]
    assert asked() == (False, 0)
    clock.advance(44.9)
    assert asked() == (False, 0)
    clock.advance(0.2)
    assert asked() == (True, 1)


def test_a_run_that_waits_for_an_answer_ends_with_its_worker(
        store: Store, start: Callable[..., WorkerProcess], tmp_path: Path) -> None:
    search = Search(store, ASKS)
    hold = tmp_path / "hold-1-2"
    hold.touch()
    first = start()
    run = search.submit(level=0.9, folder=str(tmp_path))
    pid = began(tmp_path, run)
    until((tmp_path / f"at-{run}-2").exists, "the run has logged two values")
    first.signal(signal.SIGSTOP)
    hold.unlink()                                  # it asks and gets no answer
    until((tmp_path / f"asks-{run}-2").exists, "the run asks")
    first.signal(signal.SIGKILL)
    until(lambda: not alive(pid), "the run ends")
    second = start(drain=True)
    second.report()

    record = store.get(run)
    assert [attempt.outcome for attempt in record.attempts] == [Outcome.LOST, Outcome.COMPLETED]
    assert (record.reason, record.result) == (None, 0.9)


def test_a_lost_pruned_run_is_judged_again(
        store: Store, start: Callable[..., WorkerProcess], tmp_path: Path) -> None:
    search = Search(store, {"className": "AsRecorded", "values": 1})
    hold = tmp_path / "hold-1-2"
    hold.touch()
    first = start()
    run = search.submit(level=0.9, how="goes on", folder=str(tmp_path))
    until((tmp_path / f"at-{run}-2").exists, "the run was pruned and went on")
    until(lambda: store.get(run).info.get(PRUNED), "the record knows")
    assert store.get(run).state is State.RUNNING
    first.signal(signal.SIGKILL)
    hold.unlink()
    start(drain=True).report()

    record = store.get(run)
    assert [attempt.outcome for attempt in record.attempts] == [Outcome.LOST, Outcome.COMPLETED]
    assert pruned_at(record) == Pruned(series="score", values=1, step=1)
