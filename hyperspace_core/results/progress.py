"""Format the progress of a run: as text and as a bar of characters."""

from __future__ import annotations

from hyperspace_core.records.logged import Progress
from hyperspace_core.results.words import number, one_line, seconds

BAR = 20                       # characters


def progress_text(progress: Progress | None) -> str:
    """`63% (5 of 8), 3 min left, epoch 5`; empty for None."""
    if progress is None:
        return ""
    return ", ".join(filter(None, (done(progress), left(progress), one_line(progress.note))))


def share(progress: Progress) -> float | None:
    """Done share from 0 to 1; None while the total is unknown."""
    return None if not progress.total else min(1.0, max(0.0, progress.done / progress.total))


def done(progress: Progress) -> str:
    """`63% (5 of 8)`, or `5 done` while the total is unknown."""
    part = share(progress)
    if part is None:
        return f"{number(progress.done)} done"
    return f"{part:.0%} ({number(progress.done)} of {number(progress.total)})"


def left(progress: Progress) -> str:
    """`3 min 10 s left`; empty while unknown."""
    time = seconds(progress.eta_s)
    return f"{time} left" if time else ""


def bar(progress: Progress, full: str = "#", empty: str = ".") -> str:
    """Bar of twenty characters; empty while the total is unknown."""
    part = share(progress)
    if part is None:
        return ""
    count = int(part * BAR)
    return full * count + empty * (BAR - count)
