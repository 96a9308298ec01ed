"""Plugins that offer runs and answer questions: working, failing, hanging and missing."""

from __future__ import annotations

import logging
import queue
import shutil
import sys
import threading
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from hyperspace_core.errors import StoreUnavailable
from hyperspace_core.execution.answers import Answer
from hyperspace_core.extension.manager import Extensions, Found
from hyperspace_core.markers import PLUGINS_GROUP, hookimpl
from hyperspace_core.records.filter import ORDER_OLDEST, RunFilter
from hyperspace_core.records.run import Claim, NewRun, Owner
from hyperspace_core.records.search import NewSearch
from hyperspace_core.records.states import Outcome, State
from hyperspace_core.storage import Store, new_token
from hyperspace_core.worker import hooks
from hyperspace_core.worker.events import Notice, RunEnded
from hyperspace_core.worker.hooks import Questions, WorkerContext, WorkerHooks
from hyperspace_core.worker.state import WorkerOptions
from pytest_hyperspace.project import FakeClock, ProjectFolder
from support.behaving import PATIENCE_S, PROJECT, began, in_state, submit
from support.faults import install_plugin

SPARE_TIME = Path(__file__).parents[1] / "projects" / "spare_time"
TASKS = frozenset({"t"})
Here = Callable[..., Any]
Hooks = Callable[..., WorkerHooks]


# -- a plugin as a stranger writes it ------------------------------------------------------------------------


CLIMB = '''
from hyperspace_core.run import Run


def behave(run: Run, level: float = 1.0) -> float:
    """Only the seed 1 reaches its level."""
    for step in range(5):
        run.log_scalar("result", level if run.seed == 1 else 0.1 * level, step)
        if run.should_stop():
            return 0.1 * level
    return level
'''


@pytest.fixture
def spare_time(project: ProjectFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    """The plugin of tests/projects, installed for this test and its processes."""
    described = tomllib.loads((SPARE_TIME / "pyproject.toml").read_text())["project"]
    (name, module), = described["entry-points"][PLUGINS_GROUP].items()
    monkeypatch.delitem(sys.modules, module, raising=False)
    install_plugin(project.root, name, "")
    shutil.copy(SPARE_TIME / f"{module}.py", project.root)
    project.write("scenarios.py", CLIMB)


@pytest.mark.parametrize("isolation", ["warm", "spawn", "inline"])
def test_a_plugin_repeats_the_best_run_and_stops_bad_repeats(
        store: Store, spare_time: None, here: Here, isolation: str) -> None:
    levels = (0.5, 0.9)
    done = store.submit([NewRun(uid=new_token(), project=PROJECT, task="behave", submitted={"level": level},
                                config={"level": level}, scenario={"className": "behave"}, seed=1)
                         for level in levels])

    here(drain=True, isolation=isolation).join()

    first, best, *repeats = store.find(RunFilter(project=PROJECT), order=ORDER_OLDEST)
    assert [first.id, best.id] == done
    assert [(one.result, one.reason) for one in (first, best)] == [(0.5, None), (0.9, None)]
    assert [(one.parent, one.seed, one.tags) for one in repeats] == [
        (best.id, 2, ("spare-time",)), (best.id, 3, ("spare-time",))]
    assert [(one.state, one.reason) for one in repeats] == [
        (State.COMPLETED, "far below the best result")] * 2
    assert [len(list(store.points(one.id))) for one in repeats] == [1, 1]


# -- offers --------------------------------------------------------------------------------------------------


class Offers:
    """A plugin whose offers are what `results` gives: values, errors, or a call."""

    def __init__(self, *results: Any) -> None:
        self.results = list(results)
        self.asked: list[bool] = []

    @hookimpl
    def hyperspace_offer_run(self, worker: WorkerContext, tasks: frozenset[str], queued: bool) -> Any:
        assert tasks == TASKS
        self.asked.append(queued)
        result = self.results.pop(0) if self.results else None
        if isinstance(result, Exception):
            raise result
        return result() if callable(result) else result


class Bench:
    """The hooks of a worker that does not run."""

    def __init__(self, store: Store, owner: Owner) -> None:
        self.told: list[tuple[str, int]] = []
        self.woken = threading.Event()
        self.stops = False
        self.clock = FakeClock()
        self.context = WorkerContext(
            store=store, project=PROJECT, opened=None, owner=owner, options=WorkerOptions(), clock=self.clock,
            stopping=lambda: self.stops, tell=lambda text, level: self.told.append((text, level)),
            wake=self.woken.set, preparing=threading.Lock)

    def hooks(self, **plugins: Any) -> WorkerHooks:
        extensions = Extensions()
        for name, plugin in plugins.items():
            extensions.add(plugin, Found(name=name, group="", distribution=name, version="1", value=""))
        return WorkerHooks(self.context, extensions)


@pytest.fixture
def bench(store: Store, owner: Owner) -> Bench:
    return Bench(store, owner)


def test_a_plugin_s_claim_is_taken(bench: Bench, claim_one: Callable[[], Claim]) -> None:
    claim = claim_one()

    assert bench.hooks(mine=Offers(claim)).offer(TASKS, queued=False) == claim
    assert bench.told == []


def test_without_a_plugin_nothing_is_offered(bench: Bench) -> None:
    before = threading.active_count()

    assert bench.hooks().offer(TASKS, queued=False) is None
    assert threading.active_count() == before


def test_a_missing_plugin_that_open_searches_need_is_named(bench: Bench, store: Store) -> None:
    for tuner in ("TPE", "Mine"):
        store.add_search(NewSearch(uid=new_token(), project=PROJECT, task="t", scenario={"className": "S"},
                                   tuner={"className": tuner}))
    worker = bench.hooks()

    for _ in range(2):
        worker.offer(TASKS, queued=False)

    (first, level), (second, _) = bench.told
    assert first.startswith("search 1 of task 't': its runs cannot be proposed here: TPE is in "
                            "hyperspace-tuning: pip install ")
    assert level == logging.WARNING
    assert second.endswith("here: no installed plugin has the tuner Mine")


def test_a_plugin_that_raises_is_reported_and_not_asked_again(
        bench: Bench, claim_one: Callable[[], Claim]) -> None:
    broken, works = Offers(ValueError("no idea")), Offers(None, claim_one())
    worker = bench.hooks(broken=broken, works=works)

    assert worker.offer(TASKS, queued=False) is None
    assert worker.offer(TASKS, queued=False) is not None
    assert (len(broken.asked), len(works.asked)) == (1, 2)
    said = "plugin 'broken' offers no more runs to this worker: hyperspace_offer_run: ValueError: no idea"
    assert bench.told == [(said, logging.ERROR)]


def test_a_plugin_that_offers_no_claim_is_reported(bench: Bench) -> None:
    plugin = Offers(17, 18)
    worker = bench.hooks(mine=plugin)

    assert worker.offer(TASKS, queued=False) is worker.offer(TASKS, queued=False) is None
    assert len(plugin.asked) == 1
    assert "expected a Claim or None, got int" in bench.told[0][0]


def test_an_unavailable_store_is_not_the_plugin_s_fault(bench: Bench) -> None:
    plugin = Offers(StoreUnavailable("the store is away"))
    worker = bench.hooks(mine=plugin)

    with pytest.raises(StoreUnavailable):
        worker.offer(TASKS, queued=False)
    assert worker.offer(TASKS, queued=False) is None
    assert (len(plugin.asked), bench.told) == (2, [])


def test_a_plugin_that_hangs_is_left_and_its_late_claim_released(
        bench: Bench, store: Store, claim_one: Callable[[], Claim], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hooks, "OFFER_S", 0.01)
    claim, go_on = claim_one(), threading.Event()

    def hang() -> Claim:
        assert go_on.wait(PATIENCE_S)
        return claim

    plugin = Offers(hang)
    worker = bench.hooks(mine=plugin)
    assert worker.offer(TASKS, queued=False) is None
    assert worker.offer(TASKS, queued=False) is None
    assert len(plugin.asked) == 1
    assert bench.told[0][0].endswith("hyperspace_offer_run: it gave no answer in 0.01 s")
    assert store.get(claim.lease.run).state is State.RUNNING

    go_on.set()

    assert bench.woken.wait(PATIENCE_S)
    after = store.get(claim.lease.run)
    assert (after.state, after.attempts[0].outcome) == (State.QUEUED, Outcome.RELEASED)


def test_a_worker_that_stops_does_not_wait_for_an_offer(
        bench: Bench, store: Store, claim_one: Callable[[], Claim]) -> None:
    claim, go_on = claim_one(), threading.Event()

    def hang() -> Claim:
        bench.stops = True
        assert go_on.wait(PATIENCE_S)
        return claim

    assert bench.hooks(mine=Offers(hang)).offer(TASKS, queued=False) is None
    assert bench.told == []
    go_on.set()
    in_state(store, claim.lease.run, State.QUEUED)


def test_plugins_are_asked_before_the_queue_once_a_second(
        bench: Bench, claim_one: Callable[[], Claim]) -> None:
    plugin = Offers(None, None, claim_one(), None)
    worker = bench.hooks(mine=plugin)

    def asked() -> int:
        worker.offer(TASKS, queued=True)
        return len(plugin.asked)

    assert (asked(), asked()) == (1, 1)
    bench.clock.advance(1.0)
    assert (asked(), asked()) == (2, 2)
    bench.clock.advance(1.0)
    assert (asked(), asked()) == (3, 4)            # again after a claim
    assert plugin.asked == [True] * 4


HANGING = '''
import threading
from hyperspace_core.markers import hookimpl

@hookimpl
def hyperspace_offer_run(worker, tasks, queued):
    threading.Event().wait()
'''


def test_a_worker_with_a_plugin_that_hangs_executes_its_queue(
        project: ProjectFolder, store: Store, here: Here, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "hanging", raising=False)
    monkeypatch.setattr(hooks, "OFFER_S", 0.01)
    install_plugin(project.root, "hanging", HANGING)
    run = submit(store)[0]

    worker = here(drain=True)
    worker.join()

    assert store.get(run).state is State.COMPLETED
    told, = (event.text for event in worker.events if isinstance(event, Notice) and "hanging" in event.text)
    assert told.endswith("to this worker: hyperspace_offer_run: it gave no answer in 0.01 s")


SLOW = '''
import threading
from hyperspace_core.markers import hookimpl
from hyperspace_core.records.run import NewRun
from hyperspace_core.storage import new_token

class Slow:
    """Queues one run on a thread of its own, once the test allows it."""

    def __init__(self):
        self.begun, self.go_on = threading.Event(), threading.Event()

    @hookimpl
    def hyperspace_offer_run(self, worker, tasks, queued):
        if not queued and not self.begun.is_set():
            prepared = worker.preparing()
            prepared.__enter__()
            self.begun.set()
            threading.Thread(target=self.think, args=(worker, prepared), daemon=True).start()

    def think(self, worker, prepared):
        self.go_on.wait()
        worker.store.submit([NewRun(uid=new_token(), project=worker.project, task="behave", submitted={})])
        worker.wake()
        prepared.__exit__(None, None, None)

plugin = Slow()
'''


def test_a_draining_worker_waits_for_a_run_that_a_plugin_makes(
        project: ProjectFolder, store: Store, here: Here, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "slow", raising=False)
    install_plugin(project.root, "slow", SLOW)
    (project.root / "slow-1.0.dist-info" / "entry_points.txt").write_text(
        "[hyperspace.plugins]\nslow = slow:plugin\n")
    first = submit(store)[0]
    worker = here(drain=True, poll_s=0.01)
    worker.wait_for(RunEnded, run=first)
    import slow  # type: ignore[import-not-found]  # written above

    assert slow.plugin.begun.wait(PATIENCE_S)
    slow.plugin.go_on.set()

    assert worker.join().states == {first: State.COMPLETED, first + 1: State.COMPLETED}


# -- answers -------------------------------------------------------------------------------------------------


class Answers:
    """Answers the topic of its name by a function of the payload."""

    def __init__(self, topic: str, answer: Callable[[Any], Any]) -> None:
        self._topic, self._answer = topic, answer

    @hookimpl
    def hyperspace_answer(self, worker: WorkerContext, record: Any, topic: str, payload: Any) -> Any:
        return self._answer(payload) if topic == self._topic else None


class Asker:
    """A run that asks."""

    def __init__(self, hooks: WorkerHooks) -> None:
        record: Any = SimpleNamespace(id=7)
        self.questions = Questions(hooks, record, self._arrived)
        self._asked: list[Answer] = []
        self._changed = threading.Event()

    def ask(self, topic: str, payload: Any = None) -> Answer:
        self._asked.append(Answer(self._look))
        self.questions.put(len(self._asked) - 1, topic, payload)
        return self._asked[-1]

    def _look(self, timeout_s: float) -> bool:
        self._changed.wait(timeout_s)
        self._changed.clear()
        return True

    def _arrived(self, number: int, value: Any) -> None:
        self._asked[number].arrive(value)
        self._changed.set()


@pytest.fixture
def questions(bench: Bench) -> Iterator[Callable[..., Asker]]:
    made: list[Asker] = []

    def ask(**plugins: Any) -> Asker:
        made.append(Asker(bench.hooks(**plugins)))
        return made[-1]

    yield ask
    for one in made:
        one.questions.close()


def raising(payload: Any) -> Any:
    raise ValueError(payload)


def test_the_plugin_that_knows_a_topic_answers(questions: Callable[..., Asker]) -> None:
    asked = questions(one=Answers("one", lambda payload: [1, payload]),
                      two=Answers("two", lambda payload: {"two": payload}))

    answers = [asked.ask("one", 0.5), asked.ask("two")]

    assert all(answer.wait() for answer in answers)
    assert [answer.value for answer in answers] == [[1, 0.5], {"two": None}]


def test_without_a_plugin_the_answer_is_none(
        bench: Bench, questions: Callable[..., Asker]) -> None:
    answer = questions().ask("unknown")

    assert answer.wait() and answer.value is None
    assert bench.told == []


def test_a_plugin_that_raises_answers_none_and_is_reported_once(
        bench: Bench, questions: Callable[..., Asker]) -> None:
    asked = questions(broken=Answers("topic", raising))

    for _ in range(2):
        answer = asked.ask("topic", "as asked")
        assert answer.wait() and answer.value is None

    assert bench.told == [("plugin 'broken' cannot answer 'topic' of run 7: ValueError: as asked",
                           logging.ERROR)]


def test_a_plugin_that_hangs_holds_up_only_the_run_that_asks(
        bench: Bench, questions: Callable[..., Asker]) -> None:
    begun, go_on = threading.Event(), threading.Event()

    def hang(payload: Any) -> str:
        begun.set()
        assert go_on.wait(PATIENCE_S)
        return "late"

    plugins = {"slow": Answers("slow", hang), "quick": Answers("quick", lambda payload: "at once")}
    one, other = questions(**plugins), questions(**plugins)
    late = one.ask("slow")
    assert begun.wait(PATIENCE_S)

    answer = other.ask("quick")

    assert answer.wait() and answer.value == "at once"
    assert not late.arrived
    go_on.set()
    assert late.wait() and late.value == "late"


def test_an_answer_that_is_not_plain_is_reported_and_none(bench: Bench) -> None:
    sent: queue.Queue[tuple[int, Any]] = queue.Queue()

    def send(number: int, value: Any) -> None:
        if value is not None:
            raise TypeError("not a plain value")
        sent.put((number, value))

    asked = Questions(bench.hooks(mine=Answers("topic", lambda payload: object())),
                      SimpleNamespace(id=7), send)  # type: ignore[arg-type]
    asked.put(3, "topic", None)

    assert sent.get(timeout=PATIENCE_S) == (3, None)
    asked.close()
    assert "cannot be sent: TypeError: not a plain value" in bench.told[0][0]


# -- a watcher that hangs ------------------------------------------------------------------------------------


STUCK = '''
import time
from hyperspace_core.markers import hookimpl

@hookimpl
def hyperspace_watch_run(run, ask, project):
    if run.config["how"] == "wait":
        (__import__("pathlib").Path(run.config["folder"]) / f"began-{run.id}-1").write_text("1")
        time.sleep(600)
'''


def test_a_cancelled_run_with_a_hanging_watcher_is_killed(
        project: ProjectFolder, store: Store, here: Here, tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "stuck", raising=False)
    install_plugin(project.root, "stuck", STUCK)
    stuck = submit(store, "wait", config={"folder": str(tmp_path)})[0]
    after = submit(store)[0]
    worker = here(grace_s=0.1, drain=True)
    began(tmp_path, stuck)

    store.cancel(stuck)
    worker.join()

    assert [store.get(run).state for run in (stuck, after)] == [State.CANCELLED, State.COMPLETED]
