"""What the user wrote of a run's config, in the names that migrations have given it since."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from hyperspace_core.config.migration import applied
from hyperspace_core.config.tree import Tree
from hyperspace_core.config.written import written_part
from hyperspace_core.errors import ConfigError
from hyperspace_core.records.migration import Migration
from hyperspace_core.records.run import RunRecord
from hyperspace_core.storage import Store


def written_today(store: Store, record: RunRecord, known: Mapping[str, Migration],
                  waiting: Iterable[Tree] = ()) -> Any:
    """`submitted` as it would be written today. `known`: the store's migrations by name; `waiting`: steps
    that are still to come.
    """
    had = [step for name in record.migrated if name in known for step in known[name].steps]
    steps = [step for step in (*had, *waiting) if step["op"] != "add"]      # nobody wrote what was added
    if not steps:
        return record.submitted
    first = store.rewritten(record.id) if record.migrated else []
    scenario, config = (first[0].scenario, first[0].config) if first else (record.scenario, record.config)
    try:
        return applied(steps, scenario, written_part(config, record.submitted))[1]
    except ConfigError:
        return record.submitted
