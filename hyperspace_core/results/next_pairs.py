"""Plan runs that give two configs more pairs: first missing seeds, then new ones."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import count as numbers
from itertools import islice
from typing import TYPE_CHECKING

from hyperspace_core.config.complete import LIMIT
from hyperspace_core.errors import UsageError
from hyperspace_core.records.filter import RunFilter
from hyperspace_core.records.run import NewRun, RunRecord
from hyperspace_core.results.comparable import LIVE
from hyperspace_core.results.format import ids_text
from hyperspace_core.results.pairs import Paired, Party
from hyperspace_core.results.repeats import Unit, experiment_of, unit_of
from hyperspace_core.submission import SubmitOptions

if TYPE_CHECKING:
    from hyperspace_core.study import Study

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
    taken: tuple[set[Unit], set[Unit]] = (set(), set())
    for record in live:
        for experiment, units in zip((a, b), taken, strict=True):
            if experiment_of(record) == experiment:
                units.add(unit_of(record))
    drawn = paired.per_run > 1 and not any(pair.part for pair in paired.pairs)
    wanted = islice(_units(taken, folds, paired.per_run if drawn else 1), -(-count // paired.per_run))
    return [(side[unit[1]], unit[0] or 0) for unit in wanted for side, units in zip(sides, taken, strict=True)
            if unit not in units]


def _units(taken: tuple[set[Unit], set[Unit]], folds: list[str], seeds_each: int) -> Iterator[Unit]:
    """Yield units that only one side has, then units of new seeds.
    `seeds_each`: the number of seeds that one run uses, one for each of its parts.
    """
    seeds = [unit[0] for units in taken for unit in units if unit[0] is not None]
    halves = [unit for unit in taken[0] ^ taken[1] if unit[0] is not None and unit[1] in folds]
    yield from sorted(halves, key=lambda unit: (unit[0] or 0, unit[1]))
    for seed in numbers(max(seeds, default=-seeds_each) + seeds_each, seeds_each):
        for fold in folds:
            yield seed % LIMIT, fold, ""


def _one_config(party: Party, name: str) -> str:
    found = {experiment_of(record): record.id for record in reversed(party.records)}
    if len(found) > 1:
        raise UsageError(f"more pairs need one config on each side, but {name} holds {len(found)} (runs "
                         f"{ids_text(sorted(found.values()))}); give a run id of one config")
    return next(iter(found))


def _folds(party: Party) -> dict[str, RunRecord]:
    """Map each fold to its newest run."""
    return {unit_of(record)[1]: record for record in party.records}
