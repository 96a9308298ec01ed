"""Time that a test turns by hand."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta


class FakeClock:
    """A `Clock` that stands still until `advance` is called."""

    def __init__(self, start: datetime = datetime(2026, 1, 1, tzinfo=UTC)) -> None:
        self._monotonic = 1000.0
        self._now = start

    def monotonic(self) -> float:
        return self._monotonic

    def now(self) -> datetime:
        return self._now

    def advance(self, seconds: float) -> None:
        """Both times go on."""
        self._monotonic += seconds
        self._now += timedelta(seconds=seconds)

    def set_wall(self, moment: datetime) -> None:
        """Somebody sets the wall clock, as people do."""
        self._now = moment
