"""Write a class of a notebook into the package, and verify it in a fresh process."""

from __future__ import annotations

import ast
import importlib
import sys
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import CodeType
from typing import TYPE_CHECKING, Any

from hyperspace_core.config.tree import CLASS_NAME, flatten
from hyperspace_core.errors import HyperspaceError, Refused, UsageError
from hyperspace_core.notebook.needs import bound_names
from hyperspace_core.notebook.place import Change, Target, is_registered, registration, target_in, text_of
from hyperspace_core.notebook.prototypes import Prototypes, label_of, source_text
from hyperspace_core.notebook.writing import Piece, inserted, piece_of
from hyperspace_core.records.filter import ORDER_NEWEST, RunFilter
from hyperspace_core.records.info import pruned_at
from hyperspace_core.records.run import RunRecord
from hyperspace_core.records.states import State
from hyperspace_core.reproduce.replay import again, points_of, replayed
from hyperspace_core.reproduce.verdict import Verdict, judge
from hyperspace_core.worker.state import WorkerOptions

if TYPE_CHECKING:
    from hyperspace_core.study import Study


@dataclass(frozen=True, kw_only=True, repr=False)
class Promotion:
    """Result of a promotion: the file, and the run that verified it."""

    name: str
    shown: str                     # the file, as the user named it
    file: Path
    registered_in: Path | None     # the file with the new line that registers the module
    proof: RunRecord               # the notebook's run that was executed again
    verdict: Verdict

    def __repr__(self) -> str:
        line = f", registered in {self.registered_in.name}" if self.registered_in else ""
        return (f"<{self.name} is in {self.shown}{line}; in a fresh process it gave what run {self.proof.id} "
                f"gave: {self.verdict.likeness}, {self.verdict.compared} numbers compared>")


def promote(study: Study, prototypes: Prototypes, target: Any, path: str, *,
            tolerance: float = 0.0) -> Promotion:
    """See `Study.promote`."""
    entry = prototypes.entry_of(target)
    if entry is None:
        shown = getattr(target, "__name__", repr(target))
        raise UsageError(f"promote({shown}): not a class of this notebook; register it with "
                         f"study.register({shown}) and run it first")
    place = target_in(study.project, path)
    run = _last_run(study, entry.name, source_text(target))
    piece = _piece(target, place)
    before, text = text_of(place.file)
    try:
        after = inserted(text, piece).encode()
    except UsageError as error:
        raise UsageError(f"{place.shown}: {error}") from None
    changes = [Change(file=place.file, before=before, after=after)]
    if not is_registered(study.project, place.module):
        changes.append(registration(study.project, place.module))
    verdict = _proved(study, run, changes, tolerance, place)
    prototypes.replace(entry, _brought_up(study, place, piece, changes, target.__name__))
    return Promotion(name=entry.name, shown=place.shown, file=place.file, proof=run, verdict=verdict,
                     registered_in=changes[1].file if len(changes) > 1 else None)


def _piece(target: type, place: Target) -> Piece:
    module = sys.modules.get(place.module)
    if module is None and place.file.exists():
        module = importlib.import_module(place.module)
    return piece_of(target, None if module is None else vars(module))


def _last_run(study: Study, name: str, source: str) -> RunRecord:
    """Find the newest completed run of the current class. Raises `Refused`."""
    wanted = RunFilter(project=study.name, states=(State.COMPLETED,))
    for record in study.store.find(wanted, order=ORDER_NEWEST):
        trees = flatten({"scenario": record.scenario or {}, "config": record.config or {}})
        if not any(path.endswith(CLASS_NAME) and value == name for path, value in trees.items()):
            continue
        kept = [one for one in study.store.artifacts(record.id) if one.name == label_of(name)]
        if not kept:
            continue
        with study.store.open_artifact(kept[0]) as file:
            if file.read().decode("utf-8", "replace") == source:
                return record
        raise Refused(f"{name}: was edited since run {record.id}; run it again with study.run to get a "
                      "result to compare with")
    raise Refused(f"{name}: no completed run of this class to compare with; run it with study.run first")


def _proved(study: Study, run: RunRecord, changes: Sequence[Change], tolerance: float,
            place: Target) -> Verdict:
    """Write the changes and verify them in a fresh process; undo on failure."""
    for change in changes:
        change.write()
    try:
        now, verdict = _again(study, run, tolerance)
        if not verdict.same:
            reason = f" ({now.reason})" if now.reason else ""
            raise HyperspaceError(f"{place.shown}: in a fresh process the class does not give what run "
                                  f"{run.id} gave: {verdict.first}{reason}; likely cause: a name "
                                  "that has another value in the notebook")
    except BaseException as error:
        left = [str(change.file) for change in reversed(changes) if not change.undo()]
        state = f"; {', '.join(left)} was edited meanwhile and is not restored" if left else (
            "; the package is as it was before")
        if isinstance(error, HyperspaceError):
            raise HyperspaceError(f"{error}{state}") from error
        raise
    return verdict


def _again(study: Study, run: RunRecord, tolerance: float) -> tuple[RunRecord, Verdict]:
    options = WorkerOptions(isolation="spawn", drain=True, code="current", no_plugins=study.no_plugins,
                            tasks_dir=study.tasks_dir)
    new = again(run, uid=uuid.uuid4().hex)
    with replayed(study.name, study.extensions, [new], options, lambda event: None,
                  stops={new.uid: pruned_at(run)}) as played:
        (now,) = played
    verdict = judge(run, points_of(study.store, run), now.record, now.points, tolerance=tolerance)
    return now.record, verdict


def _brought_up(study: Study, place: Target, piece: Piece, changes: Sequence[Change], name: str) -> type:
    """Import the promoted class without reloading other definitions."""
    importlib.invalidate_caches()
    if place.module not in sys.modules:
        importlib.import_module(place.module)
    else:
        _Part(place.module, place.file, piece.names).exec_module(sys.modules[place.module])
    for change in changes[1:]:
        entry = study.project.module
        _Part(entry, change.file, frozenset({"hyperspace_register"})).exec_module(sys.modules[entry])
    found: type = getattr(sys.modules[place.module], name)
    return found


class _Part(SourceFileLoader):
    """Loads only the statements of a module's file that bind given names.
    All other objects of the module are unchanged.
    """

    def __init__(self, module: str, file: Path, names: frozenset[str]) -> None:
        super().__init__(module, str(file))
        self._names = names

    def get_code(self, fullname: str) -> CodeType:
        tree = ast.parse(Path(self.path).read_bytes())
        wanted = {id(node) for name, node in bound_names(tree).items() if name in self._names}
        tree.body = [node for node in tree.body if id(node) in wanted or _is_future(node)]
        return self.source_to_code(tree, self.path)


def _is_future(node: ast.stmt) -> bool:
    return isinstance(node, ast.ImportFrom) and node.module == "__future__"
