"""Format the overview of a queue as lines of text and as HTML."""

from __future__ import annotations

import html
from collections.abc import Iterator, Mapping
from datetime import datetime

from hyperspace_core.records.logged import Progress
from hyperspace_core.records.run import RunRecord
from hyperspace_core.records.states import State
from hyperspace_core.results.overview import Overview, SearchLine
from hyperspace_core.results.progress import bar, done, left, share
from hyperspace_core.results.words import number, one_line, seconds

LONGEST = 120                  # characters of a reason or a note
GONE = "its process is gone; the next worker takes it up"


def lines_of(view: Overview, *, times: bool = True) -> list[str]:
    """Lines for a prompt. `times=False` leaves out elapsed and remaining times."""
    running = (run_text(record, view.at, gone=record.id in view.ownerless, times=times)
               for record in view.running)
    return [_head(view), *(" ".join(filter(None, pieces)) for pieces in running), *_remarks(view)]


def html_of(view: Overview) -> str:
    """HTML for a notebook, with a bar for each running run. Stored text is escaped."""
    rows = "".join(run_html(record, view.at, gone=record.id in view.ownerless) for record in view.running)
    table = f"<table><tbody>{rows}</tbody></table>" if rows else ""
    remarks = "".join(f"<li>{html.escape(line)}</li>" for line in _remarks(view))
    return f"<div><p>{html.escape(_head(view))}</p>{table}{f'<ul>{remarks}</ul>' if remarks else ''}</div>"


def counted(counts: Mapping[State, int]) -> str:
    """`2 queued, 1 running, 3 completed`, or `no runs`."""
    return ", ".join(f"{counts[state]} {state.lower()}" for state in State if counts.get(state)) or "no runs"


def _head(view: Overview) -> str:
    paused = "; the queue is paused" if view.paused else ""
    workers = len(view.alive)
    there = f"{workers} worker{'' if workers == 1 else 's'}"
    return one_line(f"{view.project} on {view.url}: {counted(view.counts)}; {there}{paused}")


def run_text(record: RunRecord, at: datetime, *, gone: bool = False, times: bool = True) -> Iterator[str]:
    """Pieces of the line of a running run; `gone`: its process has ended."""
    yield f"run {record.id} {one_line(record.task)}"
    progress = record.progress
    if gone:
        yield GONE
    elif progress is not None:
        yield f"[{bar(progress)}]" if share(progress) is not None else ""
        yield done(progress)
        yield left(progress) if times else ""
        yield one_line(progress.note, LONGEST)
    elif times:
        yield _since(record, at)


def run_html(record: RunRecord, at: datetime, *, gone: bool = False) -> str:
    """Table row of a running run. Stored text is escaped."""
    progress = Progress(done=0.0) if record.progress is None or gone else record.progress
    part = share(progress)
    drawn = "" if part is None else f'<progress value="{part:.3f}" max="1"></progress>'
    far = GONE if gone else _since(record, at) if record.progress is None else done(progress)
    texts = (str(record.id), one_line(record.task), far, left(progress), one_line(progress.note, LONGEST))
    run, task, *rest = (f"<td>{html.escape(text)}</td>" for text in texts)
    return f"<tr>{run}{task}<td>{drawn}</td>{''.join(rest)}</tr>"


def _remarks(view: Overview) -> list[str]:
    """Lines for searches, runs that no worker can take, last failures and best runs."""
    searches = map(_search, view.searches)
    waiting = [f"{each.count} of {each.task} wait: {each.why}" for each in view.waiting]
    failed = [f"run {record.id} of {record.task} failed: {record.reason or 'no reason recorded'}"
              for record in view.failures]
    best = [f"best of {task}: run {record.id}, {record.metric.name} {number(record.result)}"
            for task, record in view.best.items()]
    return [*(one_line(line) for line in (*searches, *waiting)),
            *(one_line(line, LONGEST) for line in failed), *(one_line(line) for line in best)]


def _search(line: SearchLine) -> str:
    """Line such as `search 3 of holdout: 5 of 100 runs done; no worker is running`."""
    found = f", {line.found}" if line.found else ""
    return f"search {line.search.id} of {line.search.task}: {line.standing}{found}" + (
        f"; {line.why}" if line.why else "")


def _since(record: RunRecord, at: datetime) -> str:
    if record.started_at is None:
        return ""
    return f"for {seconds((at - record.started_at).total_seconds())}"
