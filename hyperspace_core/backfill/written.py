"""Translate a submitted config to the names given by later migrations."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from hyperspace_core.config.migration import applied
from hyperspace_core.config.tree import CLASS_NAME, Tree, match_key
from hyperspace_core.config.written import written_part
from hyperspace_core.errors import ConfigError
from hyperspace_core.records.migration import Migration
from hyperspace_core.records.run import RunRecord
from hyperspace_core.storage import Store


def written_today(store: Store, record: RunRecord, known: Mapping[str, Migration],
                  waiting: Iterable[Tree] = ()) -> Any:
    """Translate `submitted` to the current names.
    `known`: the store's migrations by name; `waiting`: steps not yet applied.
    """
    had = [step for name in record.migrated if name in known for step in known[name].steps]
    steps = [*had, *waiting]
    if not steps:
        return record.submitted
    first = store.rewritten(record.id) if record.migrated else []
    scenario, config = (first[0].scenario, first[0].config) if first else (record.scenario, record.config)
    return _after(steps, scenario, written_part(config, record.submitted), record)


def written_earlier(record: RunRecord, steps: Iterable[Tree]) -> Any:
    """Translate `submitted` of a run that was executed with newer names."""
    return _after(steps, record.scenario, _with_classes(record.submitted, record.config), record)


def _after(steps: Iterable[Tree], scenario: Tree | None, written: Any, record: RunRecord) -> Any:
    try:                                   # added values were not submitted
        return applied([step for step in steps if step["op"] != "add"], scenario, written)[1]
    except ConfigError:
        return record.submitted


def _with_classes(written: Any, completed: Any) -> Any:
    """The submitted config, with the class names of the completed config."""
    if not isinstance(written, Mapping) or not isinstance(completed, Mapping):
        return written
    named = {CLASS_NAME: completed[CLASS_NAME]} if CLASS_NAME in completed else {}
    return named | {key: _with_classes(inner, completed.get(match_key(key, completed) or key))
                    for key, inner in written.items()}
