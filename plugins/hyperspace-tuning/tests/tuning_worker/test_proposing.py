"""Searches with real workers: each run is proposed once, despite kills."""

from __future__ import annotations

import logging
import os
import signal
from pathlib import Path
from typing import Any

import pytest

from hyperspace_core.records.search import Budget, NewSearch, SearchRecord, SearchState
from hyperspace_core.records.states import State
from hyperspace_core.storage import Store
from hyperspace_core.worker import hooks
from hyperspace_core.worker.events import Notice, RunEnded, RunStarted
from hyperspace_tuning import worker as worker_plugin
from proposed_runs import NUMBER, Start, all_there_once, runs_of
from pytest_hyperspace.project import ProjectFolder
from support.behaving import PATIENCE_S, PROJECT, alive, began, in_state, submit, until

TUNERS = '''
import os
import time
from dataclasses import dataclass
from pathlib import Path

from hyperspace_tuning import Tuner, sample

FAILS = True


@dataclass
class Slow(Tuner):
    """Waits until it is released."""

    folder: str = ""

    def propose(self, space, history, rng):
        if len(history.trials) == 1:
            (Path(self.folder) / "thinking").write_text(str(os.getpid()))
            while not (Path(self.folder) / "go").exists():
                time.sleep(0.02)
        return sample(space, rng)


@dataclass
class Failing(Tuner):
    def propose(self, space, history, rng):
        if FAILS:
            raise ValueError("no idea")
        return sample(space, rng)
'''

REGISTER = '''
from hyperspace_core.markers import hookimpl

@hookimpl
def hyperspace_register(register):
    from behaving import scenarios, tuners
    register.scenario(scenarios.behave)
    register.module(tuners)
'''


@pytest.fixture
def tuned(project: ProjectFolder) -> ProjectFolder:
    project.write("tuners.py", TUNERS)
    project.write("hyperspace.py", REGISTER)
    return project


def thinking(folder: Path) -> int:
    """The pid of a proposer whose tuner, `Slow`, has begun to think."""
    path = folder / "thinking"
    return int(until(lambda: path.exists() and path.read_text(), "the tuner thinks"))


@pytest.mark.parametrize("isolation", ["warm", "spawn", "inline"])
def test_a_draining_worker_completes_a_search(store: Store, here: Start, tune: Start,
                                                    isolation: str) -> None:
    search = tune(runs=4)

    report = here(drain=True, isolation=isolation).join()

    assert len(report.states) == 4
    runs = all_there_once(store, search, 4)
    assert {run.seed for run in runs} == {search.seed}
    after = store.get_search(search.id)
    assert (after.state, after.proposed) == (SearchState.ENDED, 4)
    assert after.reason == "all 4 runs have been proposed"


def test_an_equal_search_proposes_equal_runs(store: Store, here: Start, tune: Start) -> None:
    search = tune(runs=3)
    here(drain=True).join()
    first = [run.config for run in runs_of(store, search)]
    store.delete([run.id for run in runs_of(store, search)])
    again = store.get_search(store.add_search(plan_as(search)))

    here(drain=True).join()

    assert [run.config for run in runs_of(store, again)] == first


def plan_as(search: SearchRecord, **changes: Any) -> NewSearch:
    """An equal search, to be added again."""
    fields = {name: getattr(search, name) for name in NewSearch.__dataclass_fields__}
    return NewSearch(**fields | {"uid": "another"} | changes)


def test_a_killed_worker_does_not_disturb_a_search(
        store: Store, start: Start, tune: Start) -> None:
    search = tune(runs=30)
    workers = [start(drain=True) for _ in range(4)]
    workers[0].wait_for("RunEnded")
    workers[0].signal(signal.SIGKILL)

    for worker in workers[1:]:
        worker.report()

    runs = all_there_once(store, search, 30)
    lost = [run for run in runs if len(run.attempts) > 1]
    assert len(lost) <= 1
    assert store.get_search(search.id).repeats == 0


def test_a_worker_killed_while_proposing_loses_no_run(
        store: Store, start: Start, tuned: ProjectFolder, tune: Start, tmp_path: Path) -> None:
    search = tune(runs=5, tuner={"className": "Slow", "folder": str(tmp_path)})
    first = start()
    proposer = thinking(tmp_path)

    first.signal(signal.SIGKILL)

    until(lambda: not alive(proposer), "the proposer ends with its worker")
    (tmp_path / "go").touch()
    start(drain=True).report()
    all_there_once(store, search, 5)


def test_a_worker_that_is_stopped_does_not_wait_for_its_tuner(
        store: Store, here: Start, tuned: ProjectFolder, tune: Start, tmp_path: Path) -> None:
    search = tune(runs=5, tuner={"className": "Slow", "folder": str(tmp_path)})
    worker = here()
    proposer = thinking(tmp_path)

    worker.stop()
    worker.join()

    assert not alive(proposer)
    notices = [event for event in worker.events if isinstance(event, Notice)]
    assert [event for event in notices if event.level >= logging.WARNING] == []
    assert store.get_search(search.id).state is SearchState.OPEN


def test_a_proposer_that_is_killed_is_started_again(
        store: Store, here: Start, tuned: ProjectFolder, tune: Start, tmp_path: Path) -> None:
    search = tune(runs=3, tuner={"className": "Slow", "folder": str(tmp_path)})
    worker = here(drain=False)
    proposer = thinking(tmp_path)

    os.kill(proposer, signal.SIGKILL)
    (tmp_path / "go").touch()

    until(lambda: store.get_search(search.id).proposed == 3, "three proposals")
    assert any("signal 9" in event.text for event in worker.events if isinstance(event, Notice))


FAMILY = '''
from dataclasses import dataclass
from pathlib import Path
from hyperspace_core.components import Component
from hyperspace_core.run import Run


class Model(Component):
    """A family."""


@dataclass
class First(Model):
    value: float = 1.0


@dataclass
class Second(Model):
    value: float = 2.0


def fit(run: Run, model: Model = First(), folder: str = "") -> float:
    (Path(folder) / f"began-{run.id}-{run.attempt}").write_text("1")
    while run.id == 1 and not (Path(folder) / "go").exists():
        import time
        time.sleep(0.02)
    return model.value
'''


def test_a_class_registered_during_the_search_is_tried(
        store: Store, here: Start, project: ProjectFolder, tune: Start, tmp_path: Path) -> None:
    project.write("scenarios.py", FAMILY)
    project.write("hyperspace.py", '''
        from hyperspace_core.markers import hookimpl

        @hookimpl
        def hyperspace_register(register):
            from behaving import scenarios
            register.module(scenarios)
            register.scenario(scenarios.fit)
        ''')
    search = tune(task="fit", space={"folder": str(tmp_path)}, tuner="Grid")
    worker = here(drain=True)
    began(tmp_path, 1)

    project.write("scenarios.py", FAMILY + '''

@dataclass
class Third(Model):
    value: float = 3.0
''')
    (tmp_path / "go").touch()
    worker.join()

    tried = [(run.config or {})["model"]["className"] for run in runs_of(store, search)]
    assert tried == ["First", "Second", "Third"]
    assert [run.result for run in runs_of(store, search)] == [1.0, 2.0, 3.0]
    assert store.get_search(search.id).reason == "nothing is left to try"


def test_a_search_of_higher_priority_precedes_the_queue(
        store: Store, here: Start, tune: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker_plugin, "PATIENCE_S", PATIENCE_S)       # the proposer may start slowly
    monkeypatch.setattr(hooks, "OFFER_S", PATIENCE_S)
    queued = submit(store, "well", 2)
    usual, urgent = tune(runs=2), tune(runs=2, priority=5)

    worker = here(drain=True)
    worker.join()

    order = [event.run for event in worker.events if isinstance(event, RunStarted)]
    assert order == [*(run.id for run in runs_of(store, urgent)), *queued,
                     *(run.id for run in runs_of(store, usual))]


def test_searches_of_one_priority_share_the_workers(store: Store, here: Start, tune: Start) -> None:
    searches = [tune(runs=4), tune(runs=4)]

    worker = here(drain=True, slots=2)
    worker.join()

    for search in searches:
        all_there_once(store, search, 4)
    began_first = [event.run for event in worker.events if isinstance(event, RunStarted)][:2]
    assert {store.get(run).search for run in began_first} == {search.uid for search in searches}


def test_nothing_is_proposed_while_the_queue_is_paused(store: Store, here: Start, tune: Start) -> None:
    search = tune(runs=2)
    store.change_settings(PROJECT, paused=True)

    here(drain=True).join()

    assert store.get_search(search.id).proposed == 0


def test_a_paused_search_goes_on_when_it_is_resumed(store: Store, here: Start, tune: Start) -> None:
    search = tune(runs=2)
    store.change_search(search.id, state=SearchState.PAUSED)
    here(drain=True).join()
    assert store.get_search(search.id).proposed == 0

    worker = here()
    store.change_search(search.id, state=SearchState.OPEN)
    worker.wait_for(RunEnded)
    worker.wait_for(RunEnded)

    all_there_once(store, search, 2)


def test_a_failing_tuner_is_reported_once_and_retried(
        store: Store, here: Start, tuned: ProjectFolder, tune: Start) -> None:
    search, other = tune(runs=1, tuner="Failing"), tune(runs=1)
    worker = here()
    asked, _ = worker.wait_for(Notice)
    assert asked.text == f"search {search.id} of task 'behave': proposing its runs here"
    notice, _ = worker.wait_for(Notice)
    assert notice.text == (f"search {search.id} of task 'behave': its runs cannot be proposed here: "
                           "its tuner failed: ValueError: no idea")
    in_state(store, runs_of_soon(store, other), State.COMPLETED)

    tuned.write("tuners.py", TUNERS.replace("FAILS = True", "FAILS = False"))

    in_state(store, runs_of_soon(store, search), State.COMPLETED)
    texts = [event.text for event in worker.events if isinstance(event, Notice)]
    assert sum("no idea" in text for text in texts) == 1


def runs_of_soon(store: Store, search: SearchRecord) -> int:
    return int(until(lambda: [run.id for run in runs_of(store, search)], "a run of the search")[0])


def test_a_search_all_of_whose_runs_fail_ends(store: Store, here: Start, tune: Start) -> None:
    search = tune(runs=50, space=NUMBER | {"how": "raise"}, failures=3)

    here(drain=True).join()

    after = store.get_search(search.id)
    assert after.reason == "its last 3 runs failed, the last one with: ValueError: as asked"
    assert len(runs_of(store, search)) == 3


def test_a_search_for_a_task_that_no_worker_knows_waits(store: Store, here: Start, tune: Start) -> None:
    search = tune(runs=1)
    store.add_search(plan_as(search, task="unknown"))

    here(drain=True).join()

    assert [found.proposed for found in store.searches(PROJECT)] == [1, 0]


def test_a_draining_worker_replaces_a_killed_proposer(
        store: Store, here: Start, tuned: ProjectFolder, tune: Start, tmp_path: Path) -> None:
    search = tune(runs=3, tuner={"className": "Slow", "folder": str(tmp_path)})
    worker = here(drain=True)
    proposer = thinking(tmp_path)

    (tmp_path / "go").touch()
    os.kill(proposer, signal.SIGKILL)
    worker.join()

    all_there_once(store, search, 3)


def test_a_budget_enlarged_during_the_last_proposal_counts(
        store: Store, here: Start, tuned: ProjectFolder, tune: Start, tmp_path: Path) -> None:
    search = tune(runs=2, tuner={"className": "Slow", "folder": str(tmp_path)})
    worker = here(drain=True)
    thinking(tmp_path)

    store.change_search(search.id, budget=Budget(runs=4))
    (tmp_path / "go").touch()
    worker.join()

    all_there_once(store, search, 4)


def test_a_search_for_a_missing_task_is_reported(store: Store, here: Start, tune: Start) -> None:
    number = store.add_search(plan_as(tune(runs=1), task="unknown"))

    worker = here(drain=True)
    worker.join()

    (text,) = [event.text for event in worker.events if isinstance(event, Notice) and "unknown" in event.text]
    assert text == (f"search {number} of task 'unknown': its runs cannot be proposed here: the project "
                    "here has no such task")
