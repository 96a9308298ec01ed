"""Apply a backfill plan in batches, and undo a migration."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace

from hyperspace_core.backfill.plan import ENDED, BackfillPlan, Planned
from hyperspace_core.config.migrate import applied
from hyperspace_core.config.tree import Tree
from hyperspace_core.errors import ConfigError, NotFound, Refused, did_you_mean
from hyperspace_core.execution.identity import user_at_host
from hyperspace_core.records.filter import ORDER_OLDEST, RunFilter
from hyperspace_core.records.migration import Migration, Rewrite
from hyperspace_core.records.run import RunRecord
from hyperspace_core.storage import Store

BATCH = 1000                   # runs that are rewritten in one transaction
Trees = tuple[Tree | None, Tree | None]
Watch = Callable[[Iterator[Sequence[int]]], Iterable[Sequence[int]]]


def apply_plan(store: Store, plan: BackfillPlan, *, watch: Watch = iter) -> dict[str, int]:
    """Rewrite the runs of a plan; return their number by migration.

    If the process is killed, each run has a prefix of its migrations, and a new plan covers the rest. Runs
    that have changed since the plan was made are skipped.
    """
    done: Counter[str] = Counter({one.migration.name: 0 for one in plan.migrations})
    author = user_at_host()
    members = [(one, frozenset(one.runs)) for one in plan.migrations]
    for batch in watch(_batches(plan)):
        records = list(store.find(RunFilter(project=plan.project, ids=tuple(batch), states=ENDED),
                                  order=ORDER_OLDEST))
        trees: dict[int, Trees] = {record.id: (record.scenario, record.config) for record in records}
        for planned, runs in members:
            rewrites = [rewrite for record in records if record.id in runs
                        and (rewrite := _rewrite(record, planned, trees)) is not None]
            if rewrites:
                migration = replace(planned.migration, author=planned.migration.author or author)
                done[migration.name] += len(store.migrate(migration, rewrites))
    return dict(done)


def _batches(plan: BackfillPlan) -> Iterator[Sequence[int]]:
    runs = sorted({run for one in plan.migrations for run in one.runs})
    return (runs[start:start + BATCH] for start in range(0, len(runs), BATCH))


def _rewrite(record: RunRecord, planned: Planned, trees: dict[int, Trees]) -> Rewrite | None:
    """Rewrite a run by one migration; updates `trees` for the next migration."""
    if planned.migration.name in record.migrated:
        return None
    before = trees[record.id]
    try:
        after = applied(planned.migration.steps, *before)
    except ConfigError:                    # it has changed since it was planned
        return None
    if after == before:
        return None
    trees[record.id] = after
    return Rewrite(run=record.id, old_scenario=before[0], old_config=before[1], scenario=after[0],
                   config=after[1])


def undo(store: Store, project: str, name: str, *, dry_run: bool = False) -> list[int]:
    """Restore the runs of a migration exactly; return their ids.

    Raises `NotFound` for a migration that was never applied, `Refused` if a later migration has rewritten one
    of its runs. `dry_run`: only return the ids, or raise.
    """
    known = {one.name: one for one in store.migrations(project)}
    if name not in known:
        listed = f"; applied: {', '.join(known)}" if known else "; none has been applied"
        raise NotFound(f"no migration '{name}'{did_you_mean(name, known) or listed}")
    return _undoable(store, known[name]) if dry_run else store.unmigrate(project, name)


def _undoable(store: Store, migration: Migration) -> list[int]:
    runs = []
    for record in store.find(RunFilter(project=migration.project), order=ORDER_OLDEST):
        if migration.name in record.migrated:
            later = record.migrated[record.migrated.index(migration.name) + 1:]
            if later:
                raise Refused(f"migration '{migration.name}': run {record.id} was rewritten by '{later[-1]}' "
                              f"after it; undo '{later[-1]}' first")
            runs.append(record.id)
    return runs
