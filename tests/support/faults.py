"""A real store behind a door that can be shut or lose answers."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

from hyperspace_core.errors import StoreError, StoreUnavailable
from hyperspace_core.storage import Store


class Door:
    """Forwards every verb to a real store, fails on request, and records calls."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.calls: list[str] = []
        self.shut: StoreError | None = None            # every verb raises this
        self.before: dict[str, list[Exception]] = {}   # verb → raised instead of doing it, one a call
        self.after: dict[str, list[Exception]] = {}    # verb → raised after it was done: the answer is lost

    @property  # type: ignore[misc]
    def __class__(self) -> Any:            # it has the capabilities of its store
        return type(self.store)

    def __getattr__(self, verb: str) -> Any:
        target = getattr(self.store, verb)
        if not callable(target):
            return target

        def passed(*args: Any, **named: Any) -> Any:
            self.calls.append(verb)
            if self.shut is not None:
                raise self.shut
            if self.before.get(verb):
                raise self.before[verb].pop(0)
            answer = cast(Callable[..., Any], target)(*args, **named)
            if self.after.get(verb):
                raise self.after[verb].pop(0)
            return answer

        return passed

    def shut_it(self) -> None:
        self.shut = StoreUnavailable("the store is away")

    def open_it(self) -> None:
        self.shut = None

    @property
    def port(self) -> Store:
        return cast(Store, self)


def install_plugin(root: Path, name: str, source: str) -> None:
    """The files that pip would install."""
    (root / f"{name}.py").write_text(source)
    info = root / f"{name}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[hyperspace.plugins]\n{name} = {name}\n")
