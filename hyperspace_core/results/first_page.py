"""The first page of many runs: the best that are comparable, without reading them all.

What counts is taken from the newest runs and the best ones, and anew from all that were read, as more are.
The page is that of all runs, unless only runs that were not read have what counts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import cache
from itertools import islice

from hyperspace_core.records.filter import ORDER_BEST, ORDER_NEWEST, RunFilter
from hyperspace_core.records.rescored import is_mended
from hyperspace_core.records.run import RunRecord
from hyperspace_core.results.comparable import Comparison, compared
from hyperspace_core.results.repeats import has_repeats
from hyperspace_core.results.table import best_first
from hyperspace_core.results.today import Today
from hyperspace_core.storage import Store

MANY = 2_000                   # runs up to this number are all read
GROUPED = 20_000               # up to this number also where some are repeats: a matter of two seconds
SAMPLE = 300                   # newest runs that say what counts
BEST = 40                      # best ones that are looked at beside them

Ask = Callable[[], Today | None]


@dataclass(frozen=True, kw_only=True)
class FirstPage(Comparison):
    """The best of many runs, as many as were asked for; more of them have not been read."""

    of: int | None                 # how many runs there are; None where only reading them all would tell
    of_all: int                    # at most so many
    repeated: bool                 # whether some of those that were read are repeats


def first_page(store: Store, where: RunFilter, limit: int, today: Ask | None, *,
               read: Callable[[RunRecord], RunRecord]) -> Comparison | None:
    """The best `limit` comparable runs of a task; None where there are so few that all can be read.

    `today`: as `compared` asks for it; without it all runs are comparable. `read`: what is to be kept of a
    record. Where all had to be read after all, as where the metric of some was computed anew, all of them are
    in what is given back.
    """
    count = _count(store, where) if len(where.tasks) == 1 and limit > 0 else 0
    if count <= MANY:
        return None
    asked = None if today is None else cache(today)
    newest = {record.id: record for record in map(read, store.find(where, order=ORDER_NEWEST, limit=SAMPLE))}
    ordered, walked = map(read, store.find(where, order=ORDER_BEST)), dict[int, RunRecord]()
    while True:
        wanted = max(limit, len(walked))           # twice as many each time: few steps
        more = {record.id: record for record in islice(ordered, wanted)}
        walked |= more
        if any(map(is_mended, (*newest.values(), *more.values()))):
            return _compared(best_first(map(read, store.find(where))), asked)
        seen = walked | {number: record for number, record in newest.items() if number not in walked}
        found = _compared(seen.values(), asked)
        if len(more) < wanted:
            return found
        page = [record for record in found.kept if record.id in walked][:limit]
        if len(page) == limit:
            return FirstPage(kept=tuple(page), left_out=found.left_out, looked_at=len(seen),
                             of=None if where.where else count, of_all=count,
                             repeated=has_repeats(found.kept))


def any_mended(store: Store, where: RunFilter) -> bool:
    """Whether the task's metric was computed anew of some of the newest runs or the best: then the order of
    the store, by what they returned, is not that of the results.
    """
    return any(is_mended(record) for order, most in ((ORDER_NEWEST, SAMPLE), (ORDER_BEST, BEST))
               for record in store.find(where, order=order, limit=most))


def _compared(records: Iterable[RunRecord], today: Ask | None) -> Comparison:
    return Comparison(kept=tuple(records)) if today is None else compared(records, today)


def _count(store: Store, where: RunFilter) -> int:
    """At most so many match: a store may have to read all of them to look at their values."""
    return sum(store.count(replace(where, where=())).values())
