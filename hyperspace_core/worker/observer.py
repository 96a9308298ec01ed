"""Leases without clocks: an observer finds owners that are dead or cut off.

No two machines' clocks are ever compared. An observer remembers when, on its own monotonic clock, it first
saw each `(run, attempt, token, beat)`; one that stands still for a whole TTL, with the store answering all
that time, may be reaped by compare-and-set on that very beat. Whatever makes it doubt makes it forget.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from hyperspace_core.clock import Clock
from hyperspace_core.records.run import Held, Owner

_Seen = tuple[int, int, str, int]


class Observer:
    """Pure: it is shown what is held, and says what has stood still too long."""

    def __init__(self, clock: Clock, ttl_s: float) -> None:
        self._clock = clock
        self.ttl_s = ttl_s
        self._first: dict[_Seen, float] = {}
        self._last_look: float | None = None

    def forget(self) -> None:
        """The store did not answer: what was seen before proves nothing any more."""
        self._first.clear()
        self._last_look = None

    def expired(self, held: Iterable[Held]) -> list[Held]:
        """Those whose beat has stood still for a TTL.

        `held` must come from a store that has just taken a write of this observer too: while only reads are
        answered, living owners cannot beat.
        """
        now = self._clock.monotonic()
        if self._last_look is not None and now - self._last_look > self.ttl_s / 2:
            self._first.clear()            # this process was stopped, or the store was away
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
    """Those whose owner was a process of this machine and is certainly gone: no TTL need pass for them."""
    verdicts: dict[Owner, bool] = {}
    dead = []
    for row in held:
        if row.owner not in verdicts:
            verdicts[row.owner] = proven_dead(row.owner)
        if verdicts[row.owner]:
            dead.append(row)
    return dead
