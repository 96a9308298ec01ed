"""One action on several runs: check all of them first, then act and report each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hyperspace_core.cli.arguments import Wanted, chosen
from hyperspace_core.cli.screen import complain, note, say, tracked
from hyperspace_core.errors import ExitCode

if TYPE_CHECKING:
    from hyperspace_core.cli.place import Place
    from hyperspace_core.records.run import RunRecord
    from hyperspace_core.storage import Store

ONE_BY_ONE = 20                # more runs than this are reported in a summary


@dataclass(frozen=True, kw_only=True)
class Deed:
    """An action on a run."""

    phrase: str                                        # "cancel {}", for "would cancel run 3"
    do: Callable[[Store, RunRecord], str]              # acts; returns the new state: "CANCELLED"
    fits: Callable[[RunRecord], bool] = lambda record: True
    why_not: Callable[[RunRecord], str] = lambda record: ""    # it does not fit: cause and cure


@dataclass(frozen=True)
class Chosen:
    """The runs that an action fits, and how many named runs it does not fit."""

    fit: Sequence[RunRecord]
    refused: int = 0


def look(place: Place, runs: tuple[int, ...], wanted: Wanted, deed: Deed) -> Chosen:
    """Select the runs that the action fits; report named runs that it does not fit.

    A filter selects only runs that the action fits; the number of other matches is printed.
    """
    records = chosen(place, runs, wanted)
    fit = [record for record in records if deed.fits(record)]
    others = [record for record in records if not deed.fits(record)]
    if not runs:
        if others:
            stay = "matches is unchanged" if len(others) == 1 else "match are unchanged"
            note(f"{counted(len(others))} that {stay}: {_by_state(others)}")
        elif not fit:
            note("no run matches")
        return Chosen(fit)
    for record in others:
        complain(f"run {record.id} is {record.state}: {deed.why_not(record)}")
    return Chosen(fit, len(others))


def act(place: Place, looked: Chosen, deed: Deed, *, dry_run: bool) -> int:
    """Act on the selected runs; one whose state changed meanwhile is refused."""
    from hyperspace_core.errors import NotFound, Refused

    refused = looked.refused
    done: list[tuple[RunRecord, str]] = []
    for record in () if dry_run else tracked(looked.fit, deed.phrase.format("runs"), len(looked.fit)):
        try:
            done.append((record, deed.do(place.store, record)))
        except (Refused, NotFound) as error:
            complain(str(error))
            refused += 1
    if dry_run:
        _tell_plan(looked.fit, deed)
    else:
        _tell(done)
    return ExitCode.REFUSED if refused else ExitCode.OK


def counted(count: int) -> str:
    """`1 run`, `12 runs`."""
    return f"{count} run" if count == 1 else f"{count} runs"


def _tell_plan(records: Sequence[RunRecord], deed: Deed) -> None:
    if len(records) > ONE_BY_ONE:
        say(f"would {deed.phrase.format(counted(len(records)))}: {_by_state(records)}")
        return
    for record in records:
        say(f"would {deed.phrase.format(f'run {record.id}')} ({record.task}, {record.state})")


def _tell(done: Sequence[tuple[RunRecord, str]]) -> None:
    if len(done) > ONE_BY_ONE:
        for what, count in Counter(what for _, what in done).items():
            say(f"{counted(count)}: {what}")
        return
    for record, what in done:
        say(f"run {record.id}: {what}")


def _by_state(records: Sequence[RunRecord]) -> str:
    counts = Counter(record.state for record in records)
    return ", ".join(f"{count} {state}" for state, count in counts.items())
