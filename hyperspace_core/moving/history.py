"""Copy of runs with migrated configs: restored as executed, then migrated again."""

from __future__ import annotations

from dataclasses import replace

from hyperspace_core.errors import Refused
from hyperspace_core.records.migration import Migration, Rewrite
from hyperspace_core.records.run import RunRecord
from hyperspace_core.storage import Store


def as_executed(source: Store, record: RunRecord) -> RunRecord:
    """The record before its first migration."""
    if not record.migrated:
        return record
    first, *_ = source.rewritten(record.id)
    return replace(record, scenario=first.scenario, config=first.config, migrated=())


class Histories:
    """Applies the migrations of one store's runs to their copies in another store."""

    def __init__(self, source: Store, target: Store) -> None:
        self._source, self._target = source, target
        self._migrations: dict[tuple[str, str], Migration] = {}

    def follow(self, record: RunRecord, found: RunRecord) -> list[str]:
        """Apply the migrations that `found` lacks; return those that are refused."""
        done = len(found.migrated)
        if found.migrated != record.migrated[:done] or done == len(record.migrated):
            return []
        steps = self._source.rewritten(record.id)
        after = [*((step.scenario, step.config) for step in steps[1:]), (record.scenario, record.config)]
        try:
            for step, (scenario, config) in list(zip(steps, after, strict=True))[done:]:
                self._target.migrate(self._migration(record.project, step.migration), [Rewrite(
                    run=found.id, old_scenario=step.scenario, old_config=step.config,
                    scenario=scenario, config=config)])
        except Refused as error:
            return [str(error)]
        return []

    def _migration(self, project: str, name: str) -> Migration:
        if (project, name) not in self._migrations:
            self._migrations |= {(project, one.name): one for one in self._source.migrations(project)}
        return self._migrations[project, name]
