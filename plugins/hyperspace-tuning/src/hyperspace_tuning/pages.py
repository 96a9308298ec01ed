"""A search and a search space as pages of a terminal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hyperspace_core.cli.plugin import terminal, write_running
from hyperspace_core.plugin import overview, text, trees
from hyperspace_core.records import RunRecord, SearchState, State
from hyperspace_tuning.space import Outline, Space
from hyperspace_tuning.space_spec import space_to_json
from hyperspace_tuning.study import SearchView

IMPROVEMENTS = 10              # shown, the latest
LOOKS = {SearchState.OPEN: "busy", SearchState.PAUSED: "held", SearchState.ENDED: ""}


@dataclass(frozen=True, kw_only=True)
class SearchFacts:
    """Facts about a search that need the project's current code."""

    space: str
    history: str
    importance: Mapping[str, float]            # parameter → share; empty if unknown


def write_search(page: terminal.Page, view: SearchView, *, why: str | None = None,
                 about: SearchFacts | None = None, bars: str = "") -> None:
    """Write a search. `why`: why no worker serves it. `bars`: see `StatusPage`."""
    search = view.search
    page.line((view.head, "head"), (why or "", "held"))
    pieces: list[terminal.Piece] = [(f"{count} {state.lower()}", terminal.STATES[state])
                           for state, count in view.counts.items()]
    pieces += [f"{view.pruned} stopped early"] if view.pruned else []
    pieces += [f"{search.repeats} repeats"] if search.repeats else []
    pieces += [f"{search.redrawn} redrawn"] if search.redrawn else []
    page.line((_bar(view, bars), LOOKS[search.state]), *(pieces or ["no runs yet"]), indent=2)
    best = "" if view.best is None else text.brief(view.best.submitted)
    page.line(view.found, (best, "quiet"), indent=2)
    if not view.over:
        page.line(view.ends(), indent=2)
    page.gap()
    facts = [("tuner", text.value_text(search.tuner)),
             ("pruner", "" if search.pruner is None else text.value_text(search.pruner)),
             ("space", "" if about is None else about.space),
             ("history", "" if about is None else about.history),
             ("learns from", ", ".join(search.sources)),
             ("priority", str(search.priority) if search.priority else ""), ("seed", str(search.seed)),
             ("tags", " ".join(search.tags)), ("note", search.note), ("by", search.submitted_by)]
    page.rows([fact for fact in facts if fact[1]])
    _runs(page, view, bars)
    if about is not None and about.importance:
        _importance(page, about.importance, bars)


def _runs(page: terminal.Page, view: SearchView, bars: str) -> None:
    if view.improvements:
        page.heading("Improvements")
        before: Sequence[RunRecord] = view.improvements[-IMPROVEMENTS:]
        page.rows( [(f"run {run.id}", text.number(run.result), text.ago(
            run.finished_at, view.at), text.brief(run.submitted)) for run in before])
    if view.counts.get(State.RUNNING):
        page.heading("Running")
        for run in view.running:
            write_running(page, run, view.at, bars=bars, indent=2)


def _importance(page: terminal.Page, importance: Mapping[str, float], bars: str) -> None:
    page.heading("Importance")
    page.rows([(key, f"{share:.0%}", bars[:1] * round(share * overview.BAR))
              for key, share in importance.items()])


def _bar(view: SearchView, bars: str) -> str:
    runs = view.search.budget.runs
    if not bars or runs is None:
        return ""
    count = int(min(1.0, view.ended / runs) * overview.BAR)
    return bars[0] * count + bars[1] * (overview.BAR - count)


# -- A search space -----------------------------------------------------------------------------------------

def show_space(page: terminal.Page, space: Space) -> None:
    """Write one line per parameter, the parameters of a class below it."""
    page.heading("Space", space_summary(space))
    page.rows(_rows(space.describe(), 0))
    if space.left_out:
        page.heading("Left out")
        page.rows([(one.path.removesuffix(f".{trees.CLASS_NAME}"), one.name, one.reason)
                   for one in space.left_out])


def space_summary(space: Space) -> str:
    """`6 parameters searched, 2 fixed, 1 class left out`."""
    fast = sum(1 for line in _every(space.describe()) if line.source and not line.searched)
    searched, out = len(space.dimensions), len(space.left_out)
    texts = [f"{searched} parameter{'' if searched == 1 else 's'} searched"]
    texts += [f"{fast} fixed"] if fast else []
    texts += [f"{out} class{'' if out == 1 else 'es'} left out"] if out else []
    return ", ".join(texts)


def outline_to_json(lines: Sequence[Outline]) -> list[dict[str, Any]]:
    """The tree as JSON values; ranges are written as `space=` takes them."""
    found = []
    for line in lines:
        one: dict[str, Any] = {"name": line.name, "path": line.path, "searched": line.searched}
        one |= {} if line.range is None else {"range": space_to_json(line.range), "text": line.text}
        one |= {name: value for name, value in (("default", line.default), ("value", line.value))
                if value is not trees.MISSING}
        one |= {"source": line.source} if line.source else {}
        found.append(one | {"children": outline_to_json(line.children)})
    return found


def _rows(lines: Sequence[Outline], depth: int) -> Iterator[tuple[str, str, str, str]]:
    for line in lines:
        what = line.text if line.value is trees.MISSING else f"fixed at {text.value_text(line.value)}"
        default = "" if line.default is trees.MISSING else f"default {text.value_text(line.default)}"
        yield (f"{'  ' * depth}{line.name}", what, default, line.source)
        yield from _rows(line.children, depth + 1)


def _every(lines: Sequence[Outline]) -> Iterator[Outline]:
    for line in lines:
        yield line
        yield from _every(line.children)
