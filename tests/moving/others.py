"""Functions for other processes, importable by name in a spawned process."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

from hyperspace_core.moving.copying import copy_runs
from hyperspace_core.storage import Store
from pytest_hyperspace.stores.harness import Report

WRITES = {"restore", "append", "put_artifact", "put_snapshot", "migrate", "change_settings"}


class Telling:
    """A store that reports each write, before and after."""

    def __init__(self, store: Store, report: Report) -> None:
        self._store, self._report = store, report

    def __getattr__(self, name: str) -> Any:
        verb = getattr(self._store, name)
        if name not in WRITES:
            return verb

        def reported(*given: Any, **named: Any) -> Any:
            self._report(f"{name} begins")
            answer = verb(*given, **named)
            self._report(f"{name} is done")
            return answer

        return reported


def copy_to(store: Store, report: Report, opener: Callable[[str], Store], url: str) -> Counter[str]:
    """Copy the whole store to another one; return the runs' fates."""
    with opener(url) as target:
        telling: Any = Telling(target, report)
        return Counter(one.fate.value for one in copy_runs(store, telling))
