"""Wrapping scenarios without the framework: plain Python, as in a script."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from hyperspace_core.errors import HyperspaceError
from hyperspace_core.run import Memory, Run
from hyperspace_core.scenarios import PerSeries, Repeated, Rolling
from hyperspace_core.scenarios.parts import PartError
from support.wrapped import Counting, Numbers, Trial, plain


def trial(**settings: Any) -> Trial:
    return Trial(Numbers(**settings))


def sink_of(run: Run) -> Memory:
    assert isinstance(run.sink, Memory)
    return run.sink


def names(run: Run) -> list[str]:
    return [point.name for point in sink_of(run).points]


def test_a_repeat_has_the_next_seed_and_the_mean_is_the_result() -> None:
    run = Run.local(seed=3)
    numbers = Repeated(trial(), times=3).single_run(run, learner=Counting(rate=0.5))

    assert numbers["score"] == pytest.approx((3.5 + 4.5 + 5.5) / 3)
    assert [numbers[f"score/repeat-{time}"] for time in range(3)] == [3.5, 4.5, 5.5]
    assert numbers["score/sd"] == pytest.approx(1.0)


def test_logged_series_carry_the_name_of_their_part() -> None:
    run = Run.local(seed=0)
    Repeated(trial(), times=2, fold="dataset.fold").single_run(run, learner=Counting())

    assert names(run) == ["fold-0/loss", "fold-1/loss"]
    assert [point.seq for point in sink_of(run).points] == [0, 1]
    assert list(sink_of(run).artifacts) == ["fold-0/model.bin", "fold-1/model.bin"]
    assert run.info["fold-1/seen"] == [1, "a"]
    assert run.info["part/fold-1"]["metrics"]["score"] == 11.0


def test_every_fold_has_the_same_seed_and_its_own_number() -> None:
    numbers = Repeated(trial(), times=3, fold="dataset.fold").single_run(Run.local(seed=1),
                                                                         learner=Counting(rate=0))

    assert [numbers[f"score/fold-{fold}"] for fold in range(3)] == [1.0, 11.0, 21.0]


def test_parts_get_copies_of_the_given_components() -> None:
    learner, scenario, run = Counting(), trial(), Run.local(seed=0)
    Repeated(scenario, times=3, fold="dataset.fold").single_run(run, learner=learner)

    assert {point.value for point in sink_of(run).points} == {1.0}
    assert learner.used == 0
    assert scenario == trial()


def test_one_model_for_each_series_that_the_dataset_lists() -> None:
    numbers = PerSeries(trial()).single_run(run := Run.local(seed=0), learner=Counting())

    assert names(run) == ["a/loss", "General-Motors/loss", "b/loss"]
    assert run.info["General-Motors/seen"] == [0, "General Motors"]
    assert {"score", "score/sd", "score/a", "score/General-Motors", "score/b"} <= set(numbers)


def test_only_the_series_that_are_named() -> None:
    PerSeries(trial(), series=["b"]).single_run(run := Run.local(seed=0), learner=Counting())

    assert names(run) == ["b/loss"]


def test_a_model_for_each_window_of_time() -> None:
    rolling = Rolling(trial(), first=10, last=15, step=2, window=4)

    windows = [(part.name, part.scenario.dataset.train_from, part.scenario.dataset.test_from,
                part.scenario.dataset.test_until) for part in rolling.parts(0)]
    assert windows == [("10", 6, 10, 12), ("12", 8, 12, 14), ("14", 10, 14, 15)]


def test_a_wrapper_in_a_wrapper() -> None:
    inner = Repeated(trial(), times=2)
    numbers = PerSeries(inner, key="scenario.dataset.series", series=["a", "b"]).single_run(
        run := Run.local(seed=0), learner=Counting())

    assert names(run) == ["a/repeat-0/loss", "a/repeat-1/loss", "b/repeat-0/loss", "b/repeat-1/loss"]
    assert numbers["score/repeat-1"] == 2.0                    # the mean over the series
    assert numbers["score/repeat-1/b"] == 2.0


@pytest.mark.usefixtures("may_fork")
def test_parts_in_other_processes_give_the_same_numbers() -> None:
    one, two = Run.local(seed=3), Run.local(seed=3)
    alone = Repeated(trial(), times=4).single_run(one, learner=Counting())
    beside = Repeated(trial(), times=4, slots=3).single_run(two, learner=Counting())

    assert without_chance(alone) == without_chance(beside)
    assert sorted(names(one)) == sorted(names(two))
    assert [point.seq for point in sink_of(two).points] == [0, 1, 2, 3]
    assert sink_of(two).artifacts["repeat-3/model.bin"].read_bytes() == b"weights"
    assert two.info["repeat-2/seen"] == [0, "a"]


def without_chance(numbers: dict[str, float]) -> dict[str, float]:
    return {name: value for name, value in numbers.items() if not name.startswith("drawn")}


@pytest.fixture
def may_fork(monkeypatch: pytest.MonkeyPatch) -> None:
    """The test runner may have a thread that only waits."""
    monkeypatch.setattr("hyperspace_core.scenarios.parted._may_fork", lambda: True)


@pytest.mark.usefixtures("may_fork")
def test_the_parts_really_run_in_other_processes(tmp_path: Path) -> None:
    Repeated(Trial(Numbers(), folder=str(tmp_path)), times=2, slots=2).single_run(Run.local(seed=0),
                                                                              learner=Counting())

    assert len({file.read_text() for file in tmp_path.iterdir()} | {str(Path("/proc/self").readlink())}) == 3


@pytest.mark.usefixtures("may_fork")
@pytest.mark.parametrize("slots", [1, 2])
def test_the_parts_before_one_that_fails_are_kept(slots: int) -> None:
    run = Run.local(seed=0)
    with pytest.raises((ValueError, PartError), match="on purpose") as raised:
        Repeated(trial(), times=100, fold="dataset.fold", slots=slots).single_run(
            run, learner=Counting(), stumble="raise,1")

    assert "part/fold-0" in run.info
    assert "part/fold-1" not in run.info
    # no part starts after the failure is known; concurrent parts may end
    assert "part/fold-99" not in run.info
    assert slots > 1 or "part/fold-2" not in run.info
    text = "".join([str(raised.value), *raised.value.__notes__])
    assert "part fold-1" in text
    assert slots == 1 or "in stumbles" in text                 # with its traceback


@pytest.mark.usefixtures("may_fork")
def test_a_part_whose_process_is_killed_is_named() -> None:
    run = Run.local(seed=0)
    with pytest.raises(PartError, match="part fold-1: its process was ended by signal 9"):
        Repeated(trial(), times=2, fold="dataset.fold", slots=2).single_run(run, learner=Counting(),
                                                                           stumble="kill,1")
    assert "part/fold-0" in run.info


def test_a_process_with_threads_runs_the_parts_one_by_one(tmp_path: Path,
                                                          caplog: pytest.LogCaptureFixture) -> None:
    with another_thread():
        Repeated(Trial(Numbers(), folder=str(tmp_path)), times=2, slots=2).single_run(
            Run.local(seed=0), learner=Counting())

    assert len({file.read_text() for file in tmp_path.iterdir()}) == 1
    assert "the parts run one after another" in caplog.text


@contextmanager
def another_thread() -> Iterator[None]:
    end = threading.Event()
    thread = threading.Thread(target=end.wait, name="reader")
    thread.start()
    try:
        yield
    finally:
        end.set()
        thread.join()


def test_progress_counts_parts() -> None:
    Repeated(trial(), times=4).single_run(run := Run.local(seed=0), learner=Counting())

    progress = sink_of(run).last_progress
    assert progress is not None and (progress.done, progress.total) == (4.0, 4.0)


@pytest.mark.parametrize(("scenario", "message"), [
    (Repeated(trial(), fold="dataset.fald"), "Numbers has no parameter `fald`; did you mean 'fold'"),
    (Repeated(trial(), fold="data.fold"), "Trial has no attribute `data`"),
    (PerSeries(trial(), series=["a b", "a-b"]), "part 'a-b': the name is taken"),
    (PerSeries(trial(), series=["sd"]), "part 'sd': the name is taken"),
    (PerSeries(trial(), key="dataset.fold", series=[]), "there are no parts to run"),
    (PerSeries(trial(), key="folder"), r"Trial has no method every_series\(\)"),
])
def test_a_mistake_is_reported_in_one_line(scenario: Any, message: str) -> None:
    with pytest.raises(HyperspaceError, match=message):
        scenario.single_run(Run.local(seed=0), learner=Counting())


def test_the_ancestor_s_repeated_small_train_sample() -> None:
    """Seeds seed … seed + folds - 1; each fold's accuracy logged; the mean returned."""
    from sklearn.datasets import load_digits
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import train_test_split

    class SmallTrainSample(Trial):
        def single_run(self, run: Run) -> dict[str, float]:                # type: ignore[override]
            parts = train_test_split(*load_digits(return_X_y=True), train_size=100, random_state=run.seed)
            model = LogisticRegression(max_iter=1000).fit(parts[0], parts[2])
            accuracy = float(model.score(parts[1], parts[3]))
            run.log_scalar("accuracy", accuracy)
            return {"accuracy": accuracy}

    single = SmallTrainSample(Numbers())
    expected = [single.single_run(Run.local(seed=seed))["accuracy"] for seed in (5, 6, 7)]
    numbers = Repeated(single, times=3).single_run(run := Run.local(seed=5))

    assert [point.value for point in sink_of(run).points] == expected
    assert len(set(expected)) > 1
    assert numbers["accuracy"] == pytest.approx(sum(expected) / 3)


def test_a_function_is_a_scenario_too() -> None:
    assert plain(seed=2) == 2.5
