"""Update a record while its run goes on: provenance, info, executed trees."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from hyperspace_core.errors import NotFound, StoreError
from hyperspace_core.execution.failure import one_line
from hyperspace_core.records.codec import storable
from hyperspace_core.records.run import Lease, Update
from hyperspace_core.storage import Store

Remark = Callable[[str], None]

_FILLED, _INFO, _SECTION = "filled:", "info:", "section:"


class Changes:
    """Collects updates of one record and writes the new ones in one step."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._filled = Update()
        self._info: dict[str, Any] = {}
        self._sections: dict[str, Any] = {}
        self._fresh: set[str] = set()      # parts that the store does not have yet
        self._refused: set[str] = set()    # parts that it refused while this worker did not hold the run

    def fill(self, resolved: Update) -> None:
        with self._lock:
            self._filled = resolved
            self._fresh.add(_FILLED)

    def info(self, key: str, value: Any) -> None:
        with self._lock:
            self._info[key] = value
            self._fresh.add(_INFO)

    def section(self, name: str, data: dict[str, Any]) -> None:
        with self._lock:
            self._sections[name] = data
            self._fresh.add(_SECTION + name)

    @property
    def pending(self) -> bool:
        return bool(self._fresh)

    def deliver(self, store: Store, lease: Lease, remark: Remark, *, again: bool = False) -> None:
        """Write the fresh parts; with `again` also those refused before a readoption.

        Raises `StoreError`, `StoreUnavailable`, `NotFound`; then all parts are fresh again.
        """
        with self._lock:
            parts = self._fresh | (self._refused if again else set())
            self._fresh = set()
            update = self._update_of(parts)
        if not parts:
            return
        try:
            held = self._write(store, lease, update, remark)
        except BaseException:
            with self._lock:
                self._fresh |= parts
            raise
        self._refused = set() if held else self._refused | parts

    def _update_of(self, parts: set[str]) -> Update:
        sections = {name: data for name, data in self._sections.items() if _SECTION + name in parts}
        return replace(self._filled if _FILLED in parts else Update(),
                       info=dict(self._info) if _INFO in parts else None, provenance=sections or None)

    def _write(self, store: Store, lease: Lease, update: Update, remark: Remark) -> bool:
        try:
            return store.update(lease, update)
        except (StoreError, NotFound):
            raise
        except Exception:                  # noqa: BLE001 - one part is not storable: keep the others
            parts = {"what is executed": replace(update, info=None, provenance=None)}
            parts |= {f"provenance '{name}'": Update(provenance={name: data})
                      for name, data in (update.provenance or {}).items()}
            if update.info is not None:
                parts["info"] = Update(info=_without_the_unstorable(update.info))
            held = [self._write_part(store, lease, what, part, remark) for what, part in parts.items()]
            return all(held)

    @staticmethod
    def _write_part(store: Store, lease: Lease, what: str, part: Update, remark: Remark) -> bool:
        try:
            return store.update(lease, part)
        except (StoreError, NotFound):
            raise
        except Exception as error:         # noqa: BLE001 - reported instead
            remark(f"{what} could not be kept: {one_line(error)}")
            return True


def _without_the_unstorable(info: dict[str, Any]) -> dict[str, Any]:
    kept: dict[str, Any] = {}
    for key, value in info.items():
        try:
            kept |= storable({str(key): value}, "info")
        except Exception as error:         # noqa: BLE001 - a note takes its place
            kept[str(key)] = f"left out: {one_line(error)}"
    return kept
