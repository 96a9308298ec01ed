"""First page of results: the best comparable runs, without reading all runs.

The reference is taken from the newest and the best runs, and again from all runs read so far when more are
read. The page equals that of all runs, unless only unread runs have the reference code or data.
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

MANY = 2_000                   # up to this number, all runs are read
GROUPED = 20_000               # the same if some are repeats: takes about two seconds
SAMPLE = 300                   # newest runs that give the reference
BEST = 40                      # best runs that are read in addition

Ask = Callable[[], Today | None]


@dataclass(frozen=True, kw_only=True)
class FirstPage(Comparison):
    """The best of many runs, up to the limit; not all runs were read."""

    of: int | None                 # number of runs; None if only reading all of them would give it
    of_all: int                    # upper bound of that number
    repeated: bool                 # whether some of the runs read are repeats


def first_page(store: Store, where: RunFilter, limit: int, today: Ask | None, *,
               read: Callable[[RunRecord], RunRecord]) -> Comparison | None:
    """Find the best `limit` comparable runs of a task; None if all can be read.

    `today`: as in `compared`; without it all runs are comparable. `read`: reduces a record to what is kept.
    If all runs had to be read, for example because some were rescored, the result holds all of them.
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
    """Whether the task's metric was recomputed for some of the newest or best runs.

    If so, the store's order, which is by the returned result, differs from the order of the results.
    """
    return any(is_mended(record) for order, most in ((ORDER_NEWEST, SAMPLE), (ORDER_BEST, BEST))
               for record in store.find(where, order=order, limit=most))


def _compared(records: Iterable[RunRecord], today: Ask | None) -> Comparison:
    return Comparison(kept=tuple(records)) if today is None else compared(records, today)


def _count(store: Store, where: RunFilter) -> int:
    """Upper bound of the matches, without conditions on values (may read all)."""
    return sum(store.count(replace(where, where=())).values())
