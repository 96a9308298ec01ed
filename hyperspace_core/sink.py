"""The receivers of what a live run logs, and the sections of its provenance."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from hyperspace_core.records.logged import Point, Progress


@dataclass(frozen=True)
class Section:
    """A named part of a run's provenance. `data` is JSON-able."""

    name: str
    data: dict[str, Any]


@dataclass(frozen=True)
class Absent:
    """A part that could not be captured, with the reason."""

    name: str
    reason: str


class Sink(Protocol):
    """Receiver of a run's messages; must not block long or raise store errors."""

    def point(self, point: Point) -> None: ...
    def info(self, key: str, value: Any) -> None: ...
    def progress(self, progress: Progress) -> None: ...
    def artifact(self, name: str, path: Path) -> None:
        """Takes ownership of `path`: it may be moved or deleted afterwards."""
        ...
    def section(self, section: Section | Absent) -> None: ...


class Watch(Protocol):
    """Decides from logged values whether a run should end early."""

    def logged(self, name: str, step: int | None, value: float) -> None: ...
    def should_stop(self) -> bool: ...


@dataclass
class Memory:
    """Keeps everything in memory: for scripts, tests and notebooks without a store."""

    points: list[Point] = field(default_factory=list)
    infos: dict[str, Any] = field(default_factory=dict)
    artifacts: dict[str, Path] = field(default_factory=dict)
    sections: list[Section | Absent] = field(default_factory=list)
    last_progress: Progress | None = None

    def point(self, point: Point) -> None:
        self.points.append(point)

    def info(self, key: str, value: Any) -> None:
        self.infos[key] = value

    def progress(self, progress: Progress) -> None:
        self.last_progress = progress

    def artifact(self, name: str, path: Path) -> None:
        self.artifacts[name] = path

    def section(self, section: Section | Absent) -> None:
        self.sections.append(section)
