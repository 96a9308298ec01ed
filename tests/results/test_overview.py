"""Overview of a queue from a real store, as lines and as HTML."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from hyperspace_core.execution.identity import this_process
from hyperspace_core.records.logged import Progress
from hyperspace_core.records.run import Claim, Finish, Metric, NewRun, Owner, WorkerInfo
from hyperspace_core.records.states import Outcome, State
from hyperspace_core.records.traits import waiting_reasons, waiting_runs
from hyperspace_core.results.overview import (
    FAILURES,
    Overview,
    QueueView,
    counts_text,
    life_of,
    living_workers,
    overview,
    overview_html,
    overview_text,
)
from hyperspace_core.storage import Store, new_token
from hyperspace_core.stores.sqlite import open_store
from pytest_hyperspace.project import FakeClock
from support.records import NOON, completed, queued, running

ME = this_process("me")
DEAD = replace(ME, worker="dead", pid=2**22 + 1)      # above the highest pid that Linux gives


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with open_store(f"sqlite:///{tmp_path}/runs.db") as opened:
        yield opened


def submit(store: Store, task: str = "holdout", count: int = 1, *, goal: Any = "maximize",
           project: str = "digits") -> list[int]:
    return store.submit([NewRun(uid=new_token(), project=project, task=task, submitted={},
                                metric=Metric(goal=goal)) for _ in range(count)])


def claim(store: Store, run: int, owner: Owner = ME) -> Claim:
    claimed = store.claim("digits", owner, new_token(), only=[run])
    assert claimed is not None
    return claimed


def end(store: Store, run: int, result: float | None = None, reason: str | None = None) -> None:
    outcome = Outcome.COMPLETED if reason is None else Outcome.FAILED
    assert store.finish(claim(store, run).lease, Finish(outcome=outcome, result=result, reason=reason))


def worker(name: str, *tasks: str, owner: Owner = ME, seen_at: datetime | None = NOON,
           refused: tuple[int, ...] = ()) -> WorkerInfo:
    return WorkerInfo(owner=replace(owner, worker=name), project="digits", tasks=tasks, seen_at=seen_at,
                      refused=refused)


# -- living workers ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("seen", "life"), [
    (timedelta(), "alive"), (timedelta(seconds=30), "alive"), (timedelta(seconds=31), "silent"),
    (timedelta(hours=-1), "alive"),            # its store's clock is ahead of this one
])
def test_a_worker_that_was_not_seen_for_a_ttl_is_silent(seen: timedelta, life: str) -> None:
    assert life_of(worker("w", seen_at=NOON - seen), NOON, ttl_s=30.0) == life


def test_a_worker_that_was_never_seen_counts_as_alive() -> None:
    assert life_of(worker("w", seen_at=None), NOON, ttl_s=30.0) == "alive"


def test_a_worker_with_a_dead_process_is_gone() -> None:
    if not ME.boot_id:
        pytest.skip("this system proves no death")
    assert life_of(worker("w", owner=DEAD), NOON, ttl_s=30.0) == "gone"


def test_living_workers_come_first_and_old_ones_are_dropped(store: Store) -> None:
    store.present(worker("b", "holdout"))
    store.present(worker("a", "holdout"))
    store.present(worker("c", "holdout", owner=replace(ME, host="elsewhere", boot_id="other")))
    clock = FakeClock(store.workers("digits")[0].seen_at or NOON)

    def lives() -> dict[str, str]:
        workers = overview(store, "digits", clock=clock).workers
        return {line.worker.owner.worker: line.life for line in workers}

    assert list(lives()) == ["a", "b", "c"] and set(lives().values()) == {"alive"}
    assert len(overview(store, "digits", clock=clock).alive) == 3
    clock.advance(60)
    assert set(lives().values()) == {"silent"}
    assert living_workers(store, "digits", clock=clock) == []
    clock.advance(25 * 3600)
    assert lives() == {}


# -- runs that no worker can take ----------------------------------------------------------------------------


def test_without_a_worker_all_runs_wait() -> None:
    line, = waiting_runs([queued(1), queued(2)], [])

    assert (line.task, line.count, line.why, line.runs) == ("holdout", 2, "no worker is running", (1, 2))


def test_an_unknown_task_is_named_with_the_known_ones() -> None:
    runs = [queued(1), queued(2, "other"), queued(3, "other")]
    lines = waiting_runs(runs, [worker("a", "holdout", "x"), worker("b", "y")])

    assert [(line.task, line.count, line.why) for line in lines] == [
        ("other", 2, "no worker knows this task; they know holdout, x, y")]
    assert waiting_runs([queued(1)], [worker("a")])[0].why == "no worker knows this task; they know none"


def test_runs_refused_by_all_workers_wait_for_newer_code() -> None:
    alive = [worker("a", "holdout", refused=(1, 2)), worker("b", "holdout", refused=(1,)), worker("c", "x")]
    line, = waiting_runs([queued(1), queued(2)], alive)

    assert line.runs == (1,)
    assert line.why == "the workers' code does not accept them: it is older than their submission"


def test_only_the_first_runs_are_named_but_all_are_counted() -> None:
    line, = waiting_runs([queued(number) for number in range(1, 31)], [])

    assert (line.count, line.runs) == (30, tuple(range(1, 11)))


def test_each_run_has_its_own_reason_for_waiting() -> None:
    reasons = waiting_reasons([queued(1), queued(2, "other")], [worker("a", "other")])

    assert {record.id: why for record, why in reasons} == {
        1: "no worker knows this task; they know other", 2: None}


# -- the whole overview --------------------------------------------------------------------------------------


def test_an_empty_queue_has_an_empty_overview(store: Store) -> None:
    view = overview(store, "digits")

    assert (view.project, view.url, view.paused) == ("digits", store.url, False)
    assert (dict(view.counts), view.workers, view.running, view.waiting, view.failures, view.best) == (
        {}, (), (), (), (), {})


def test_the_overview_of_a_queue_in_use(store: Store) -> None:
    first, second, third, fourth, fifth, sixth = submit(store, count=6)
    end(store, first, 0.5)
    end(store, second, 0.9)
    end(store, third, float("nan"))
    end(store, fourth, reason="ValueError: on purpose")
    store.beat(claim(store, fifth).lease, Progress(done=1, total=2))
    submit(store, "elsewhere", project="another")
    view = overview(store, "digits")

    assert view.counts == {State.COMPLETED: 3, State.FAILED: 1, State.RUNNING: 1, State.QUEUED: 1}
    assert [record.id for record in view.running] == [fifth]
    assert view.running[0].progress == Progress(done=1, total=2)
    assert [record.id for record in view.failures] == [fourth]
    assert [(line.task, line.runs) for line in view.waiting] == [("holdout", (sixth,))]
    assert {task: record.id for task, record in view.best.items()} == {"holdout": second}


def test_the_best_run_respects_the_goal_and_is_finite(store: Store) -> None:
    results = (float("nan"), 3.0, 2.0, -float("inf"))
    for run, result in zip(submit(store, "error", 4, goal="minimize"), results, strict=True):
        end(store, run, result)
    for result, run in zip((float("nan"), float("inf")), submit(store, "diverged", 2), strict=True):
        end(store, run, result)
    best = overview(store, "digits").best

    assert best["error"].result == 2.0
    assert "diverged" not in best


def test_the_last_failures_are_shown_newest_first(store: Store) -> None:
    ids = submit(store, count=FAILURES + 3)
    for run in ids:
        end(store, run, reason="on purpose")

    assert [record.id for record in overview(store, "digits").failures] == ids[:2:-1]


def test_in_a_paused_queue_no_run_waits_for_a_worker(store: Store) -> None:
    submit(store)
    store.change_settings("digits", paused=True)
    view = overview(store, "digits")

    assert (view.paused, view.waiting, dict(view.counts)) == (True, (), {State.QUEUED: 1})


# -- as lines and as HTML ------------------------------------------------------------------------------------


def page(**parts: Any) -> Overview:
    values: dict[str, Any] = {"project": "digits", "url": "sqlite:////runs.db", "at": NOON, "paused": False,
                              "counts": {State.RUNNING: 2, State.QUEUED: 1}}
    return Overview(**values | parts)


FULL = page(
    paused=True,
    running=(running(1, Progress(done=1, total=4, eta_s=60, note="epoch 1"), started_at=NOON),
             running(2, started_at=NOON - timedelta(seconds=5)), running(3, Progress(done=7)), running(4)),
    waiting=tuple(waiting_runs([queued(9)], [])),
    failures=(replace(completed(5, None), state=State.FAILED, reason="ValueError: x\ny"),),
    best={"holdout": completed(6, 0.987654321)},
)


def test_the_overview_as_lines() -> None:
    assert overview_text(FULL) == [
        "digits on sqlite:////runs.db: 1 queued, 2 running; 0 workers; the queue is paused",
        "run 1 holdout [#####...............] 25% (1 of 4) 1 min left epoch 1",
        "run 2 holdout for 5.0s",
        "run 3 holdout 7 done",
        "run 4 holdout",
        "1 of holdout wait: no worker is running",
        "run 5 of holdout failed: ValueError: x⏎y",
        "best of holdout: run 6, accuracy 0.987654",
    ]
    assert repr(QueueView(FULL)) == "\n".join(overview_text(FULL))


def test_lines_and_html_show_a_run_with_a_dead_process() -> None:
    view = page(running=(running(1, Progress(done=1, total=4, eta_s=60)),), ownerless=frozenset({1}))

    assert overview_text(view)[1] == "run 1 holdout its process is gone; the next worker takes it up"
    assert "its process is gone" in overview_html(view)
    assert "<progress" not in overview_html(view)


def test_lines_without_times_change_only_with_news() -> None:
    later = replace(FULL, at=NOON + timedelta(minutes=1))

    assert overview_text(later) != overview_text(FULL)
    assert overview_text(later, times=False) == overview_text(FULL, times=False)
    assert len(overview_text(FULL, times=False)) == len(overview_text(FULL))


def test_the_html_has_a_bar_for_each_run_with_progress() -> None:
    html = QueueView(FULL)._repr_html_()

    assert html == overview_html(FULL)
    assert html.count("<tr>") == 4 and html.count("<progress ") == 1
    assert '<progress value="0.250" max="1"></progress>' in html and "1 min left" in html
    assert "<li>1 of holdout wait: no worker is running</li>" in html


def test_stored_text_is_escaped_in_lines_and_html() -> None:
    bad = "<img src=x onerror=alert(1)>\x1b]0;owned\x07"
    view = page(
        project=bad, url=bad, running=(replace(running(1, Progress(done=1, total=2, note=bad)), task=bad),),
        waiting=tuple(waiting_runs([queued(9, bad)], [])), best={bad: completed(6, 0.5, metric=bad)},
        failures=(replace(completed(5, None, task=bad), state=State.FAILED, reason=bad),))

    assert "<img" not in overview_html(view) and "\x1b" not in overview_html(view)
    assert "\x1b" not in "".join(overview_text(view)) and "\x07" not in "".join(overview_text(view))


def test_counts_follow_the_order_of_states() -> None:
    assert counts_text({State.FAILED: 1, State.QUEUED: 2, State.RUNNING: 0}) == "2 queued, 1 failed"
    assert counts_text({}) == "no runs"
