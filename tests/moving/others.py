"""What other processes do: functions that a spawned process can import by name."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

from hyperspace_core.moving.copying import copy_runs
from hyperspace_core.storage import Store
from hyperspace_core.testing.stores.crowd import Report

WRITES = {"restore", "append", "put_artifact", "put_snapshot", "migrate", "change_settings"}


class Telling:
    """A store that tells of each write, before and after."""

    def __init__(self, store: Store, report: Report) -> None:
        self._store, self._report = store, report

    def __getattr__(self, name: str) -> Any:
        verb = getattr(self._store, name)
        if name not in WRITES:
            return verb

        def told(*given: Any, **named: Any) -> Any:
            self._report(f"{name} begins")
            answer = verb(*given, **named)
            self._report(f"{name} is done")
            return answer

        return told


def copy_to(store: Store, report: Report, opener: Callable[[str], Store], url: str) -> Counter[str]:
    """Copy the whole store to another one; what became of the runs."""
    with opener(url) as target:
        telling: Any = Telling(target, report)
        return Counter(one.fate.value for one in copy_runs(store, telling))
