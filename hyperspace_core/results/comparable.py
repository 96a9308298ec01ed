"""Which runs of a task may be compared with each other, and why others may not.

Runs are comparable when task, metric, problem (the completed scenario, with the version of its dataset),
data, and the code of the components that they use agree. Configs and seeds are what one compares.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, Literal, get_args

from hyperspace_core.errors import UsageError, did_you_mean
from hyperspace_core.records.filter import ORDER_OLDEST, RunFilter
from hyperspace_core.records.run import RunRecord
from hyperspace_core.records.states import State
from hyperspace_core.results.parts import SHOWN, Traits, slim, traits_of
from hyperspace_core.results.reference import agree, yardstick
from hyperspace_core.results.today import Today
from hyperspace_core.results.yardstick import Reason

if TYPE_CHECKING:
    from hyperspace_core.study import Study

Comparable = Literal["strict", "all"]
ALL = "all"
MOST_NAMED = 3                 # causes that a summary names
_HEXADECIMAL = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class LeftOut:
    """A run that is not comparable with the others, and why."""

    record: RunRecord
    reasons: tuple[Reason, ...]

    def __repr__(self) -> str:
        return f"<run {self.record.id} left out: {_words(self)}>"


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Runs that may stand beside each other, in the order in which they were given, and the others."""

    kept: tuple[RunRecord, ...]
    left_out: tuple[LeftOut, ...] = ()
    looked_at: int | None = None   # runs that were read, where these are not all


def compared(records: Iterable[RunRecord], today: Callable[[], Today | None], *,
             newest: bool = True) -> Comparison:
    """Tell the comparable runs from the others, task by task.

    `today` is called where the runs themselves do not settle it. `newest=False`: only today's code counts,
    also where no run has it.
    """
    given = traits_of(records)
    reasons: dict[int, tuple[Reason, ...]] = {}
    for _, group in groupby(sorted(given, key=_task), key=_task):
        runs = list(group)
        asked = None if newest and agree(runs) else today()
        measure = yardstick(runs, asked, newest=newest)
        reasons |= {run.record.id: measure.against(run) for run in runs}
    return Comparison(kept=tuple(run.record for run in given if not reasons[run.record.id]),
                      left_out=tuple(LeftOut(run.record, reasons[run.record.id]) for run in given
                                     if reasons[run.record.id]))


def _task(run: Traits) -> str:
    return run.record.task


def comparable_runs(study: Study, task: str) -> Comparison:
    """The completed runs of a task that say something about today's code, and the others; oldest first.

    Of their provenance they have only what was compared.
    """
    wanted = RunFilter(project=study.name, tasks=(task,), states=(State.COMPLETED,))
    records = map(slim, study.store.find(wanted, order=ORDER_OLDEST))
    return compared(records, lambda: Today(study.project), newest=False)


def checked_comparable(comparable: object) -> str:
    """Raises `UsageError` for what is neither `strict` nor `all`."""
    known = get_args(Comparable)
    if comparable in known:
        return str(comparable)
    near = did_you_mean(comparable, known) if isinstance(comparable, str) else ""
    raise UsageError(f"comparable: expected {' or '.join(map(repr, known))}, got {comparable!r}{near}")


def summary(left_out: Sequence[LeftOut], show_all: str, looked_at: int | None = None) -> str:
    """What was left out, why, and what can be done about it, on one line; `show_all` is what shows them.

    `looked_at`: of so many, where there are more.
    """
    if not left_out:
        return ""
    causes = Counter(map(_words, left_out)).most_common()
    told = [words if len(causes) == 1 else f"{words} ({count})" for words, count in causes[:MOST_NAMED]]
    rest = sum(count for _, count in causes[MOST_NAMED:])
    count = "1 run" if len(left_out) == 1 else f"{len(left_out):,} runs"
    count += "" if looked_at is None else f" of the {looked_at:,} looked at"
    shows = f"{show_all} shows {'it' if len(left_out) == 1 else 'them'}"
    cures = "; ".join(filter(None, (shows, _cure_of_code(left_out))))
    return f"{count} left out: {', '.join(told)}{f', other causes ({rest})' if rest else ''}; {cures}"


def _cure_of_code(left_out: Sequence[LeftOut]) -> str:
    """How to say that a change of code does no harm; the very line, where it is one change."""
    changes = {(reason.name, reason.was, reason.now) for one in left_out for reason in one.reasons
               if reason.kind == "code"}
    if not changes:
        return ""
    line = declaration(*changes.pop()) if len(changes) == 1 else ""
    said = line or "register.same_behaviour"
    return f"`{said}` declares a change harmless{'' if line else ', `hyperspace runs diff` prints it'}"


def declaration(name: str, old: str, new: str) -> str:
    """The line that says in a project's `hyperspace_register` that a class behaves the same under both
    fingerprints; nothing where one of them is none.
    """
    if not all(map(_HEXADECIMAL.fullmatch, (old, new))):
        return ""
    return f'register.same_behaviour("{name}", "{old[:SHOWN]}", "{new[:SHOWN]}")'


def _words(one: LeftOut) -> str:
    return " and ".join(dict.fromkeys(reason.text for reason in one.reasons))
