"""The child's end of the channel to its worker."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hyperspace_core.execution.messages import Message
from hyperspace_core.records.run import Finish, Point, Progress
from hyperspace_core.run import Absent, Section


class ChannelSink:
    """Sends what a run logs over a pipe. Safe to use from several threads."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def point(self, point: Point) -> None:
        raise NotImplementedError

    def info(self, key: str, value: Any) -> None:
        raise NotImplementedError

    def progress(self, progress: Progress) -> None:
        raise NotImplementedError

    def artifact(self, name: str, path: Path) -> None:
        raise NotImplementedError

    def section(self, section: Section | Absent) -> None:
        raise NotImplementedError

    def send(self, message: Message) -> None:
        raise NotImplementedError

    def outcome(self, finish: Finish) -> None:
        raise NotImplementedError
