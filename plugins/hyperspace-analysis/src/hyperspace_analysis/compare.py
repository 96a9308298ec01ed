"""Paired comparison of two configs by seed, with a confidence interval."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import count as numbers, islice
from typing import TYPE_CHECKING, Any

from hyperspace_core.errors import NotFound, UsageError
from hyperspace_core.plugin import (
    LIVE,
    Estimate,
    SubmitOptions,
    completion,
    info,
    statistics,
    text as text_,
    trees,
)
from hyperspace_core.records import Condition, Metric, NewRun, RunFilter, RunRecord, parse_condition

if TYPE_CHECKING:
    from hyperspace_core.plugin import Comparable, LeftOut, Results
    from hyperspace_core.study import Study

POWER = 0.8                    # probability that the planned number of pairs shows the effect
MOST = 1000                    # largest number of pairs that is planned
ROUNDING = 1e-13               # relative difference of numbers that differ by rounding only

# seed, folds and part; and other values that must agree
Key = tuple[statistics.MeasurementKey, str]
Values = Callable[[RunRecord], Mapping[statistics.MeasurementKey, float]]
Side = int | RunRecord | str | Condition | Iterable[str | Condition]


# -- The attributes of `Study` and of results ----

def compare(study: Study, a: Side, b: Side, *, task: str | None = None,
            comparable: Comparable = "strict") -> Paired:
    """Test whether b is better than a, by paired runs; see `Results.compare`.

    `task`: needed if the conditions match runs of several tasks.
    """
    if task is None:
        task = next((study.get(side.id if isinstance(side, RunRecord) else side).task for side in (a, b)
                     if isinstance(side, int | RunRecord)), None)
    return compare_results(study.results(task, comparable=comparable), a, b)


def queue_pairs(study: Study, paired: Paired, count: int, *, code: str = "pinned") -> list[int]:
    """Queue runs that add pairs to a comparison; their ids; see `submit`."""
    return study.submit_runs(plan_pairs(study, paired, count), study.pin(code))


def compare_results(results: Results, a: Side, b: Side) -> Paired:
    """Compare b with a: runs are paired by seed and fold, and by part if any.

    `a`, `b`: a run id, which stands for all its repeats, or conditions such as `"classifier=Forest"`.
    Raises `NotFound` and `UsageError` if a side has no runs among these.
    """
    return compare_runs(results, a, b, results.left_out)


# -- The result of a comparison ----


@dataclass(frozen=True, kw_only=True)
class Party:
    """One side of a comparison: name and runs by age; pruned only if all are."""

    name: str
    records: tuple[RunRecord, ...]

    @property
    def ids(self) -> tuple[int, ...]:
        return tuple(record.id for record in self.records)

    @property
    def text(self) -> str:
        """The name and the ids of its runs."""
        ids = text_.ids_text(self.ids)
        runs = f"run {ids}" if len(self.ids) == 1 else f"{len(self.ids)} runs: {ids}"
        return f"{self.name}; {runs}"


@dataclass(frozen=True, kw_only=True)
class Pair:
    """The results of both sides at one seed, fold and part; the mean of several."""

    seed: int | None
    fold: str
    part: str = ""                 # of runs in parts that share a seed: `fold-2`, `R80711`, `2014-07-01`
    a: float
    b: float

    @property
    def difference(self) -> float:
        return difference(self.b, self.a)


@dataclass(frozen=True, kw_only=True, repr=False)
class Paired:
    """Result of a comparison: `effect.mean` is b - a, with its 95 % interval."""

    a: Party
    b: Party
    metric: Metric
    pairs: tuple[Pair, ...]
    per_run: int = 1               # pairs that one more run of each side gives; more than 1 for runs in parts

    @cached_property
    def effect(self) -> Estimate | None:
        """Mean of the differences; None without pairs."""
        return statistics.estimate([pair.difference for pair in self.pairs]) if self.pairs else None

    @property
    def better(self) -> str | None:
        """`"a"` or `"b"`; None if the difference is not significant."""
        if self.effect is None or not self.effect.differs:
            return None
        return "b" if (self.effect.mean > 0) == (self.metric.goal == "maximize") else "a"

    @property
    def more_pairs(self) -> int | None:
        """Number of further pairs needed, if effect and spread stay the same.

        0 if the difference is significant; None if it is unknown or above a thousand.
        """
        if self.better is not None:
            return 0
        if self.effect is None or self.effect.sd is None:
            return 3 - len(self.pairs) if self.effect is None or math.isfinite(self.effect.mean) else None
        needed = numbers_needed(self.effect.mean, self.effect.sd)
        return None if needed is None else max(1, needed - len(self.pairs))

    @property
    def verdict(self) -> str:
        """The result of the comparison on one line."""
        effect = self.effect
        if effect is None:
            return f"cannot tell: {self._nothing_pairs()}"
        pairs = "1 pair" if effect.n == 1 else f"{effect.n} pairs"
        if not math.isfinite(effect.mean):
            return f"cannot tell: a result is not a finite number; {pairs}"
        if effect.sd == 0 and effect.mean == 0:
            return f"no difference: {self.metric.name} is the same in each of {pairs}"
        if self.better is not None:
            return f"{self.better} is better: {self._by(effect, self.better)}, {pairs}"
        return f"cannot tell yet: {self._by(effect, 'b')}, {pairs}; {self._cure(effect)}"

    def _nothing_pairs(self) -> str:
        a, b = ({statistics.measurement_key(record) for record in party.records if record.seed is not None}
                for party in (self.a, self.b))
        if a & b:
            return ("at equal seeds a and b differ in other hyper-parameters, too; let the conditions name "
                    "these as well, or compare two runs by their ids")
        return f"no run of a has the seed{' and fold' if any(key[1] for key in a) else ''} of a run of b"

    def _by(self, effect: Estimate, who: str) -> str:
        """The difference in words, as seen from side `who`."""
        sign = 1 if who == "b" else -1
        mean = sign * effect.mean
        by = "the same in the mean"
        if mean:
            by = f"{text_.number(abs(mean))} {'lower' if mean < 0 else 'higher'}"
        text = f"{self.metric.name} of {who} is {by}"
        if effect.low is None or effect.high is None:
            return text
        low, high = sorted((sign * effect.low, sign * effect.high))
        if mean < 0:
            low, high = -high, -low
        return f"{text} (95 % interval {text_.number(low)} to {text_.number(high)})"

    def _cure(self, effect: Estimate) -> str:
        more = self.more_pairs
        if effect.sd is None:
            return f"one pair is not enough to judge; at least {more} more are needed"
        if more is None:
            return "if there is a difference, a thousand pairs would not show it"
        runs = -(-more // self.per_run)
        which = "" if self.per_run == 1 else f" ({runs} more run{'' if runs == 1 else 's'} of each)"
        pairs = f"{more} more pair{'' if more == 1 else 's'}{which}"
        return f"{pairs} would do if effect and spread stay as they are"

    def to_json(self) -> dict[str, Any]:
        """Fields and verdict, for JSON."""
        sides = {"a": self.a, "b": self.b}
        return {**{side: {"name": party.name, "runs": party.ids} for side, party in sides.items()},
                "metric": self.metric, "pairs": self.pairs, "effect": self.effect, "better": self.better,
                "more_pairs": self.more_pairs, "verdict": self.verdict}

    def __repr__(self) -> str:
        return f"a  {self.a.text}\nb  {self.b.text}\n{self.verdict}"


def difference(new: float, old: float) -> float:
    """`new` - `old`; 0 if they differ only by rounding."""
    return 0.0 if math.isclose(new, old, rel_tol=ROUNDING) else new - old


def numbers_needed(effect: float, sd: float) -> int | None:
    """Sample size that shows a non-zero mean with 80 % power; None beyond `MOST`."""
    if not effect:
        return None
    if not sd:
        return statistics.SIGNS
    for count in range(2, MOST + 1):
        quantiles = ((1 + statistics.CONFIDENCE) / 2, POWER)
        both = sum(statistics.t_quantile(quantile, count - 1) for quantile in quantiles)
        if both * sd <= abs(effect) * math.sqrt(count):
            return count
    return None


# -- Find the runs of both sides and pair them ----

def compare_runs(records: Sequence[RunRecord], a: Side, b: Side, left_out: Sequence[LeftOut] = ()) -> Paired:
    """Pair the runs of two sides by seed and fold, and by part for runs in parts.

    If both sides are conditions, pairs also agree in all hyper-parameters that no condition names. Raises
    `NotFound` for a side without runs, `UsageError` for sides that cannot be compared.
    """
    one, other = (_party(records, side, left_out) for side in (a, b))
    both = set(one.ids) & set(other.ids)
    if both:
        raise UsageError(f"a and b mean the same runs ({text_.ids_text(sorted(both))}); "
                         "name two different configs")
    metrics = {(record.task, record.metric) for record in (*one.records, *other.records)}
    if len(metrics) > 1:
        found = " and ".join(sorted(f"{task} ({metric.name})" for task, metric in metrics))
        raise UsageError(f"a and b differ in task or metric: {found}; name one task")
    named = None if _run(a) is not None or _run(b) is not None else [
        condition.path.removeprefix("config.") for side in (a, b) for condition in _conditions(side)]
    pairs, per_run = _paired(one, other, named, statistics.measurements), min(map(_pieces, (one, other)))
    if not pairs:                          # no part is common to both
        pairs, per_run = _paired(one, other, named, _as_a_whole), 1
    return Paired(a=_labelled(one, other), b=_labelled(other, one), metric=metrics.pop()[1],
                  pairs=tuple(pairs), per_run=per_run)


def _paired(one: Party, other: Party, named: Sequence[str] | None, values: Values) -> list[Pair]:
    left, right = _by_key(one.records, named, values), _by_key(other.records, named, values)
    found = [Pair(seed=key[0][0], fold=key[0][1], part=key[0][2], a=_mean(left[key]), b=_mean(right[key]))
             for key in left if key in right and key[0][0] is not None]
    return sorted(found, key=lambda pair: (pair.seed or 0, pair.fold))         # parts keep their order


def _pieces(party: Party) -> int:
    """Number of measurements in one run."""
    return max(1, *(len(statistics.measurements(record)) for record in party.records))


def _as_a_whole(record: RunRecord) -> dict[statistics.MeasurementKey, float]:
    whole = info.decisive(record)
    return {} if whole is None else {statistics.measurement_key(record): whole}


def _party(records: Sequence[RunRecord], side: Side, left_out: Sequence[LeftOut]) -> Party:
    number_of = _run(side)
    if number_of is None:
        conditions = _conditions(side)
        found = [record for record in records if all(one.matches(record) for one in conditions)]
        name = " ".join(f"{one.path}{one.op}{one.value}" for one in conditions)
        if not found:
            raise NotFound(f"no completed run matches {name}")
        return Party(name=name, records=_by_age(info.whole_of(found)))
    record = next((record for record in records if record.id == number_of), None)
    if record is None:
        raise NotFound(_why_not(number_of, left_out))
    wanted = statistics.experiment_of(record)
    found = [one for one in records if one.task == record.task and statistics.experiment_of(one) == wanted]
    return Party(name="", records=_by_age(info.whole_of(found)))


def _labelled(party: Party, other: Party) -> Party:
    """Name a side given by id by the values that differ from the other side."""
    if party.name:
        return party
    config = statistics.config_of(party.records[0])
    others = [trees.diff(statistics.config_of(record), config) for record in other.records[:1]]
    leaves = {one.path.removesuffix(f".{trees.CLASS_NAME}"): one.new for found in others for one in found
              if one.new is not trees.MISSING}
    return replace(party, name=text_.brief(leaves) or "the same config")


def _why_not(run: int, left_out: Sequence[LeftOut]) -> str:
    for one in left_out:
        if one.record.id == run:
            reasons = " and ".join(reason.text for reason in one.reasons)
            return f"run {run} is not comparable: {reasons}; add --comparable all to compare anyway"
    return f"run {run} is not among the completed runs compared here"


def _run(side: Side) -> int | None:
    """The run id if the side is a run, else None."""
    value = side.id if isinstance(side, RunRecord) else trees.unwrapped(side)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _conditions(side: Side) -> list[Condition]:
    if isinstance(side, str | Condition):
        side = [side]
    if isinstance(side, int | RunRecord) or not isinstance(side, Iterable):
        raise UsageError(f"expected the id of a run or conditions, got {trees.shown(side)}")
    found = [one if isinstance(one, Condition) else parse_condition(one) for one in side]
    if not found:
        raise UsageError("expected the id of a run or conditions, got none")
    return found


def _by_key(records: Sequence[RunRecord], named: Sequence[str] | None,
             values: Values) -> dict[Key, list[float]]:
    """Group results by pairing key; `named` hyper-parameters may differ (None: all)."""
    found: dict[Key, list[float]] = defaultdict(list)
    for record in records:
        rest = "" if named is None else trees.canonical(without(statistics.config_of(record), named))
        for key, value in values(record).items():
            found[key, rest].append(value)
    return found


def without(tree: Any, paths: Sequence[str]) -> Any:
    """Copy a tree without the values at these dotted paths."""
    if isinstance(tree, dict):
        return {key: without(value, _below(key, paths)) for key, value in tree.items() if key not in paths}
    if isinstance(tree, list | tuple):
        return [without(value, _below(str(index), paths)) for index, value in enumerate(tree)
                if str(index) not in paths]
    return tree


def _below(step: str, paths: Sequence[str]) -> list[str]:
    return [path.removeprefix(f"{step}.") for path in paths if path.startswith(f"{step}.")]


def _mean(values: Sequence[float]) -> float:
    return statistics.estimate(values).mean


def _by_age(records: Iterable[RunRecord]) -> tuple[RunRecord, ...]:
    return tuple(sorted(records, key=lambda record: record.id))


# -- Plan more pairs: first the missing seeds, then new ones ----

Wanted = tuple[RunRecord, int]             # a run to repeat, and its seed


def plan_pairs(study: Study, paired: Paired, count: int) -> list[NewRun]:
    """Plan the runs for `count` more pairs of a comparison."""
    wanted = RunFilter(project=study.name, tasks=(paired.a.records[0].task,), states=LIVE)
    return [run for record, seed in next_pairs(paired, study.store.find(wanted), count)
            for run in study.plan_rerun(record, None, SubmitOptions(seed=seed))]


def next_pairs(paired: Paired, live: Iterable[RunRecord], count: int) -> list[Wanted]:
    """Find runs for at least `count` more pairs; a run in parts gives several.

    `live`: all queued, paused, running and completed runs of the task. Raises `UsageError` if a side holds
    several configs, or the sides have no fold in common.
    """
    a, b = _one_config(paired.a, "a"), _one_config(paired.b, "b")
    sides = [_folds(paired.a), _folds(paired.b)]
    folds = sorted(sides[0].keys() & sides[1].keys())
    if not folds:
        raise UsageError("a and b have no fold in common, so no seed can pair them")
    taken: tuple[set[statistics.MeasurementKey], set[statistics.MeasurementKey]] = (set(), set())
    for record in live:
        for experiment, keys in zip((a, b), taken, strict=True):
            if statistics.experiment_of(record) == experiment:
                keys.add(statistics.measurement_key(record))
    drawn = paired.per_run > 1 and not any(pair.part for pair in paired.pairs)
    wanted = islice(_next_keys(taken, folds, paired.per_run if drawn else 1), -(-count // paired.per_run))
    return [(side[key[1]], key[0] or 0) for key in wanted for side, keys in zip(sides, taken, strict=True)
            if key not in keys]


def _next_keys(taken: tuple[set[statistics.MeasurementKey], set[statistics.MeasurementKey]], folds: list[str],
               seeds_each: int) -> Iterator[statistics.MeasurementKey]:
    """Yield keys that only one side has, then keys of new seeds.

    `seeds_each`: the number of seeds that one run uses, one for each of its parts.
    """
    seeds = [key[0] for keys in taken for key in keys if key[0] is not None]
    halves = [key for key in taken[0] ^ taken[1] if key[0] is not None and key[1] in folds]
    yield from sorted(halves, key=lambda key: (key[0] or 0, key[1]))
    for seed in numbers(max(seeds, default=-seeds_each) + seeds_each, seeds_each):
        for fold in folds:
            yield seed % completion.LIMIT, fold, ""


def _one_config(party: Party, name: str) -> str:
    found = {statistics.experiment_of(record): record.id for record in reversed(party.records)}
    if len(found) > 1:
        raise UsageError(f"more pairs need one config on each side, but {name} holds {len(found)} (runs "
                         f"{text_.ids_text(sorted(found.values()))}); give a run id of one config")
    return next(iter(found))


def _folds(party: Party) -> dict[str, RunRecord]:
    """Map each fold to its newest run."""
    return {statistics.measurement_key(record)[1]: record for record in party.records}
