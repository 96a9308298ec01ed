"""Detect expired leases without comparing the clocks of machines.

An observer remembers when, on its monotonic clock, it first saw each `(run, attempt, token, beat)`. A beat
that does not change for a whole TTL, while the store answers, may be reaped by compare-and-set on that beat.
In any doubt, the observer forgets all beats.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from hyperspace_core.clock import Clock
from hyperspace_core.records.run import Held, Owner

_Seen = tuple[int, int, str, int]


class Observer:
    """Finds held runs whose heartbeat has not changed for a TTL; does no I/O."""

    def __init__(self, clock: Clock, ttl_s: float) -> None:
        self._clock = clock
        self.ttl_s = ttl_s
        self._first: dict[_Seen, float] = {}
        self._last_look: float | None = None

    def forget(self) -> None:
        """Forget all beats: the store did not answer, so they prove nothing."""
        self._first.clear()
        self._last_look = None

    def expired(self, held: Iterable[Held]) -> list[Held]:
        """The held runs whose beat has not changed for a TTL.

        `held` must come from a store that has just accepted a write of this observer: while only reads work,
        living owners cannot send heartbeats.
        """
        now = self._clock.monotonic()
        if self._last_look is not None and now - self._last_look > self.ttl_s / 2:
            self._first.clear()            # this process was stopped, or the store unavailable
        self._last_look = now
        seen: dict[_Seen, float] = {}
        expired = []
        for row in held:
            key = (row.run, row.attempt, row.token, row.beat)
            seen[key] = first = self._first.get(key, now)
            if now - first >= self.ttl_s:
                expired.append(row)
        self._first = seen
        return expired


def dead_here(held: Iterable[Held], proven_dead: Callable[[Owner], bool]) -> list[Held]:
    """The held runs whose owner was a process of this machine and is certainly gone."""
    verdicts: dict[Owner, bool] = {}
    dead = []
    for row in held:
        if row.owner not in verdicts:
            verdicts[row.owner] = proven_dead(row.owner)
        if verdicts[row.owner]:
            dead.append(row)
    return dead
