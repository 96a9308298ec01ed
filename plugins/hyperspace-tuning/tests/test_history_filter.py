"""The trials of a history that a sampler gets."""

from __future__ import annotations

from dataclasses import replace

import pytest

from hyperspace_core.records.run import Metric
from hyperspace_tuning.samplers.history_filter import limited, usable_trials, values_of
from hyperspace_tuning.tuner import History, Trial

LOSS = (Metric(name="loss", goal="minimize"),)


def trials(*values: float, weight: float = 1.0, **changes: object) -> tuple[Trial, ...]:
    return tuple(Trial(assignment={"x": float(number)}, state="completed", value=value, weight=weight,
                       values={"loss": value}) for number, value in enumerate(values))


def test_runs_of_the_task_itself_are_passed_unchanged() -> None:
    history = History(trials=trials(3, 1, 2), metrics=LOSS)

    assert usable_trials(history) == list(history.trials)


def test_the_weight_sets_the_share_of_related_runs() -> None:
    related = trials(*range(100, 0, -1), weight=0.2)

    kept = usable_trials(History(trials=related, metrics=LOSS))

    assert len(kept) == 20
    assert [one.value for one in kept] == sorted((one.value for one in kept), reverse=True)      # in order
    assert min(one.value or 0 for one in kept) == 1
    assert max(one.value or 0 for one in kept) > 90        # bad ones are kept, too


def test_related_runs_come_before_those_of_the_task() -> None:
    own, related = trials(1, 2), trials(5, weight=0.5)

    found = usable_trials(History(trials=(*own, *related), metrics=LOSS))
    assert [one.weight for one in found] == [0.5, 1, 1]


@pytest.mark.parametrize("state", ["failed", "pending", "pruned"])
def test_only_results_of_a_related_task_are_passed(state: str) -> None:
    related = tuple(replace(one, state=state) for one in trials(1, 2, 3, weight=0.9))

    assert usable_trials(History(trials=related, metrics=LOSS)) == []


def test_related_results_are_mapped_to_the_task_s_scale_by_rank() -> None:
    own, related = trials(10, 20, 30, 40, 50), trials(0.1, 0.3, 0.2, weight=0.999)

    scaled = usable_trials(History(trials=(*related, *own), metrics=LOSS))[:3]

    assert [one.value for one in scaled] == [10, 50, 30]
    assert [one.values for one in scaled] == [{"loss": 10}, {"loss": 50}, {"loss": 30}]


def test_equal_related_results_stay_equal() -> None:
    own, related = trials(10, 20, 30, 40, 50), trials(1, 1, 0, weight=0.999)

    scaled = usable_trials(History(trials=(*related, *own), metrics=LOSS))[:3]

    assert scaled[0].value == scaled[1].value == 50
    assert scaled[2].value == 10


def test_too_few_results_of_the_task_give_no_scale() -> None:
    own, related = trials(10, 20), trials(0.1, 0.2, weight=0.999)

    found = usable_trials(History(trials=(*related, *own), metrics=LOSS))
    assert [one.value for one in found[:2]] == [0.1, 0.2]


def test_a_missing_or_nan_metric_gives_no_values() -> None:
    metrics = (Metric(name="a"), Metric(name="b"))
    one = Trial(assignment={}, state="completed", value=1.0, values={"a": 1.0})

    assert values_of(one, metrics) is None
    assert values_of(replace(one, values={"a": 1.0, "b": 2}), metrics) == [1.0, 2.0]
    assert values_of(replace(one, value=float("nan")), LOSS) is None


def test_a_limit_keeps_best_latest_and_pending_trials() -> None:
    going = Trial(assignment={"x": 9.0}, state="pending")
    history = [*trials(0.1, 5, 0.2, 6, 7, 8, 9), going]

    assert [one.value for one in limited(history, 4, LOSS[0])] == [0.1, 0.2, 8, 9, None]
    assert limited(history, 7, LOSS[0]) == history
