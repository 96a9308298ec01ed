"""A queue's overview as lines of text and as HTML. Pure: the same overview gives the same picture."""

from __future__ import annotations

import html
from collections.abc import Iterator, Mapping

from hyperspace_core.records.logged import Progress
from hyperspace_core.records.run import RunRecord
from hyperspace_core.records.states import State
from hyperspace_core.results.overview import Overview
from hyperspace_core.results.progress import bar, done, left, share
from hyperspace_core.results.words import number, one_line, seconds

LONGEST = 120                  # characters of a reason or a note
GONE = "its process is gone; the next worker takes it up"


def lines_of(view: Overview, *, times: bool = True) -> list[str]:
    """What to show at a prompt. `times=False` leaves out what changes by itself from second to second."""
    running = [" ".join(filter(None, _running(record, view, times))) for record in view.running]
    return [_head(view), *running, *_remarks(view)]


def html_of(view: Overview) -> str:
    """What to show in a notebook: a bar for each running run. Stored text is escaped."""
    rows = "".join(_row(record, view) for record in view.running)
    table = f"<table><tbody>{rows}</tbody></table>" if rows else ""
    remarks = "".join(f"<li>{html.escape(line)}</li>" for line in _remarks(view))
    return f"<div><p>{html.escape(_head(view))}</p>{table}{f'<ul>{remarks}</ul>' if remarks else ''}</div>"


def counted(counts: Mapping[State, int]) -> str:
    """`2 queued, 1 running, 3 completed`; `no runs` where there are none."""
    return ", ".join(f"{counts[state]} {state.lower()}" for state in State if counts.get(state)) or "no runs"


def _head(view: Overview) -> str:
    paused = "; the queue is paused" if view.paused else ""
    workers = len(view.alive)
    there = f"{workers} worker{'' if workers == 1 else 's'}"
    return one_line(f"{view.project} on {view.url}: {counted(view.counts)}; {there}{paused}")


def _running(record: RunRecord, view: Overview, times: bool) -> Iterator[str]:
    yield f"run {record.id} {one_line(record.task)}"
    progress = record.progress
    if record.id in view.ownerless:
        yield GONE
    elif progress is not None:
        yield f"[{bar(progress)}]" if share(progress) is not None else ""
        yield done(progress)
        yield left(progress) if times else ""
        yield one_line(progress.note, LONGEST)
    elif times:
        yield _since(record, view)


def _row(record: RunRecord, view: Overview) -> str:
    gone = record.id in view.ownerless
    progress = Progress(done=0.0) if record.progress is None or gone else record.progress
    part = share(progress)
    drawn = "" if part is None else f'<progress value="{part:.3f}" max="1"></progress>'
    far = GONE if gone else _since(record, view) if record.progress is None else done(progress)
    texts = (str(record.id), one_line(record.task), far, left(progress), one_line(progress.note, LONGEST))
    run, task, *rest = (f"<td>{html.escape(text)}</td>" for text in texts)
    return f"<tr>{run}{task}<td>{drawn}</td>{''.join(rest)}</tr>"


def _remarks(view: Overview) -> list[str]:
    """What waits for nothing, what failed last, what is best so far."""
    waiting = [f"{each.count} of {each.task} wait: {each.why}" for each in view.waiting]
    failed = [f"run {record.id} of {record.task} failed: {record.reason or 'no reason is known'}"
              for record in view.failures]
    best = [f"best of {task}: run {record.id}, {record.metric.name} {number(record.result)}"
            for task, record in view.best.items()]
    return [*(one_line(line) for line in waiting), *(one_line(line, LONGEST) for line in failed),
            *(one_line(line) for line in best)]


def _since(record: RunRecord, view: Overview) -> str:
    if record.started_at is None:
        return ""
    return f"for {seconds((view.at - record.started_at).total_seconds())}"
