"""A search on one page: progress, results, running runs and search space."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from hyperspace_core.cli.terminal import STATES, Page, Piece
from hyperspace_core.cli.watch import write_running
from hyperspace_core.records.run import RunRecord
from hyperspace_core.records.search import SearchState
from hyperspace_core.records.states import State
from hyperspace_core.results.format import ago, brief, number, value_text
from hyperspace_core.results.overview import BAR
from hyperspace_core.searches.view import SearchView

IMPROVEMENTS = 10              # shown, the latest
LOOKS = {SearchState.OPEN: "busy", SearchState.PAUSED: "held", SearchState.ENDED: ""}


@dataclass(frozen=True, kw_only=True)
class About:
    """Facts about a search that need the project's current code."""

    space: str
    history: str
    importance: Mapping[str, float]            # parameter → share; empty if unknown


def write_search(page: Page, view: SearchView, *, why: str | None = None, about: About | None = None,
                 bars: str = "") -> None:
    """Write a search. `why`: why no worker serves it. `bars`: see `StatusPage`."""
    search = view.search
    page.line((view.head, "head"), (why or "", "held"))
    pieces: list[Piece] = [(f"{count} {state.lower()}", STATES[state])
                           for state, count in view.counts.items()]
    pieces += [f"{view.pruned} stopped early"] if view.pruned else []
    pieces += [f"{search.repeats} repeats"] if search.repeats else []
    pieces += [f"{search.redrawn} redrawn"] if search.redrawn else []
    page.line((_bar(view, bars), LOOKS[search.state]), *(pieces or ["no runs yet"]), indent=2)
    page.line(view.found, (brief(view.best.submitted) if view.best is not None else "", "quiet"), indent=2)
    if not view.over:
        page.line(view.ends(), indent=2)
    page.gap()
    facts = [("tuner", value_text(search.tuner)),
             ("pruner", "" if search.pruner is None else value_text(search.pruner)),
             ("space", "" if about is None else about.space),
             ("history", "" if about is None else about.history),
             ("learns from", ", ".join(search.sources)),
             ("priority", str(search.priority) if search.priority else ""), ("seed", str(search.seed)),
             ("tags", " ".join(search.tags)), ("note", search.note), ("by", search.submitted_by)]
    page.rows([fact for fact in facts if fact[1]])
    _runs(page, view, bars)
    if about is not None and about.importance:
        _importance(page, about.importance, bars)


def _runs(page: Page, view: SearchView, bars: str) -> None:
    if view.improvements:
        page.heading("Improvements")
        before: Sequence[RunRecord] = view.improvements[-IMPROVEMENTS:]
        page.rows([(f"run {run.id}", number(run.result), ago(run.finished_at, view.at), brief(run.submitted))
                   for run in before])
    if view.counts.get(State.RUNNING):
        page.heading("Running")
        for run in view.running:
            write_running(page, run, view.at, bars=bars, indent=2)


def _importance(page: Page, importance: Mapping[str, float], bars: str) -> None:
    page.heading("Importance")
    page.rows([(key, f"{share:.0%}", bars[:1] * round(share * BAR)) for key, share in importance.items()])


def _bar(view: SearchView, bars: str) -> str:
    runs = view.search.budget.runs
    if not bars or runs is None:
        return ""
    count = int(min(1.0, view.ended / runs) * BAR)
    return bars[0] * count + bars[1] * (BAR - count)
