"""Select the trials of a history that a sampler gets; related tasks are thinned.

Values of a related task have another scale. Once this task has a few results, they are mapped to its scale by
rank: the best related value equals this task's best, the worst its worst. Of runs with weight 0.2 a fifth is
used, evenly chosen from the best to the worst: that keeps the best, shows where good and bad values are, and
counts less. Related runs that failed, were pruned or are not finished are not used.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import replace

from hyperspace_core.records import Metric
from hyperspace_tuning.tuner import History, Trial

ENOUGH = 5                     # results of this task before related ones are mapped to its scale


def usable_trials(history: History) -> list[Trial]:
    """The trials for a sampler; values of one or several metrics are in `values`."""
    own = [trial for trial in history.trials if trial.weight >= 1]
    if len(own) == len(history.trials):
        return own
    return [*_related(history, own), *own]


def limited(trials: list[Trial], limit: int, metric: Metric) -> list[Trial]:
    """At most `limit` ended trials, best and latest, in order; all pending ones."""
    done = [index for index, trial in enumerate(trials) if trial.state != "pending"]
    if len(done) <= limit:
        return trials
    ranked = sorted(done, key=lambda index: (trials[index].state != "completed",
                                             _badness(trials[index].value, metric)))
    best = set(ranked[:limit // 2])
    others = [index for index in done if index not in best]
    kept = best | set(others[len(best) - limit:])
    return [trial for index, trial in enumerate(trials) if index in kept or trial.state == "pending"]


def values_of(trial: Trial, metrics: Sequence[Metric]) -> list[float] | None:
    """A value for each metric; None where one is missing or NaN."""
    found = [trial.value] if len(metrics) == 1 else [trial.values.get(one.name) for one in metrics]
    numbers = [float(one) for one in found if one is not None and not math.isnan(one)]
    return numbers if len(numbers) == len(found) else None


def _related(history: History, own: Sequence[Trial]) -> list[Trial]:
    groups: dict[float, list[Trial]] = {}
    for trial in history.trials:
        if 0 < trial.weight < 1 and trial.state == "completed" and values_of(trial, history.metrics):
            groups.setdefault(trial.weight, []).append(trial)
    kept = [trial for weight, group in sorted(groups.items())
            for trial in _thinned(group, weight, history.metrics[0])]
    done = [trial for trial in own if trial.state == "completed" and values_of(trial, history.metrics)]
    return kept if len(done) < ENOUGH else _rescaled(kept, done, history.metrics)


def _thinned(group: list[Trial], weight: float, metric: Metric) -> list[Trial]:
    """A share `weight` of the group, from the best to the worst, in order."""
    ranked = sorted(range(len(group)), key=lambda index: _badness(group[index].value, metric))
    count = max(1, round(weight * len(group)))
    chosen = {ranked[position * len(group) // count] for position in range(count)}
    return [trial for index, trial in enumerate(group) if index in chosen]


def _badness(value: float | None, metric: Metric) -> float:
    return math.inf if value is None else -value if metric.goal == "maximize" else value


def _rescaled(trials: list[Trial], done: Sequence[Trial], metrics: Sequence[Metric]) -> list[Trial]:
    columns = []
    for index in range(len(metrics)):
        theirs, ours = ([values[index] for one in side if (values := values_of(one, metrics))]
                        for side in (trials, done))
        columns.append(_by_rank(theirs, sorted(ours)))
    return [replace(trial, value=row[0], values={one.name: row[i] for i, one in enumerate(metrics)})
            for trial, row in zip(trials, zip(*columns, strict=True), strict=True)]


def _by_rank(values: Sequence[float], scale: Sequence[float]) -> list[float]:
    """Map values to the scale by rank; equal values stay equal, the order stays."""
    ranked = sorted(values)
    made = []
    for value in values:
        position = (bisect_right(ranked, value) - 1) / max(len(ranked) - 1, 1) * (len(scale) - 1)
        below = min(int(position), len(scale) - 2)
        made.append(scale[below] + (position - below) * (scale[below + 1] - scale[below]))
    return made
