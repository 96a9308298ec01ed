"""Find the comparable runs of a task, with reasons for the others.

Runs are comparable when task, metric, problem (the completed scenario, with the version of its dataset),
data, and the code of the components that they use agree. Configs and seeds may differ.
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
    """Comparable runs in the given order, and the runs that were left out."""

    kept: tuple[RunRecord, ...]
    left_out: tuple[LeftOut, ...] = ()
    looked_at: int | None = None   # number of runs that were read; None: all


def compared(records: Iterable[RunRecord], today: Callable[[], Today | None], *,
             newest: bool = True) -> Comparison:
    """Separate the comparable runs from the others, task by task.

    `today` is called only if the runs alone do not decide it. `newest=False`: the current code is the
    reference, even if no run has it.
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
    """Compare the completed runs of a task with the current code; oldest first.

    The records keep only the sections of provenance that were compared.
    """
    wanted = RunFilter(project=study.name, tasks=(task,), states=(State.COMPLETED,))
    records = map(slim, study.store.find(wanted, order=ORDER_OLDEST))
    return compared(records, lambda: Today(study.project), newest=False)


def checked_comparable(comparable: object) -> str:
    """Return the value. Raises `UsageError` unless it is `strict` or `all`."""
    known = get_args(Comparable)
    if comparable in known:
        return str(comparable)
    near = did_you_mean(comparable, known) if isinstance(comparable, str) else ""
    raise UsageError(f"comparable: expected {' or '.join(map(repr, known))}, got {comparable!r}{near}")


def summary(left_out: Sequence[LeftOut], show_all: str, looked_at: int | None = None) -> str:
    """One line: how many runs were left out, why, and what to do.

    `show_all`: the option that shows them; `looked_at`: the number of runs read, if not all.
    """
    if not left_out:
        return ""
    causes = Counter(map(_words, left_out)).most_common()
    named = [words if len(causes) == 1 else f"{words} ({count})" for words, count in causes[:MOST_NAMED]]
    rest = sum(count for _, count in causes[MOST_NAMED:])
    count = "1 run" if len(left_out) == 1 else f"{len(left_out):,} runs"
    count += "" if looked_at is None else f" of the {looked_at:,} runs read"
    shows = f"{show_all} shows {'it' if len(left_out) == 1 else 'them'}"
    cures = "; ".join(filter(None, (shows, _cure_of_code(left_out))))
    return f"{count} left out: {', '.join(named)}{f', other causes ({rest})' if rest else ''}; {cures}"


def _cure_of_code(left_out: Sequence[LeftOut]) -> str:
    """How to declare a code change harmless; the exact line if it is one change."""
    changes = {(reason.name, reason.was, reason.now) for one in left_out for reason in one.reasons
               if reason.kind == "code"}
    if not changes:
        return ""
    line = declaration(*changes.pop()) if len(changes) == 1 else ""
    found = line or "register.same_behaviour"
    return f"`{found}` declares a change harmless{'' if line else ', `hyperspace runs diff` prints it'}"


def declaration(name: str, old: str, new: str) -> str:
    """The `register.same_behaviour` line; empty if a fingerprint is not SHA-256."""
    if not all(map(_HEXADECIMAL.fullmatch, (old, new))):
        return ""
    return f'register.same_behaviour("{name}", "{old[:SHOWN]}", "{new[:SHOWN]}")'


def _words(one: LeftOut) -> str:
    return " and ".join(dict.fromkeys(reason.text for reason in one.reasons))
