"""The hooks of hyperspace-tuning; what they name is imported when it is used."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hyperspace_core.markers import hookimpl

if TYPE_CHECKING:
    from hyperspace_core.cli.plugin import Root
    from hyperspace_core.plugin import (
        AccessorRegister,
        AskWorker,
        Project,
        Register,
        RunWatcher,
        WorkerContext,
    )
    from hyperspace_core.records import RunRecord, WorkerInfo
    from hyperspace_core.run import Run


@hookimpl
def hyperspace_register(register: Register) -> None:
    register.module("hyperspace_tuning.builtin")
    register.module("hyperspace_tuning.samplers.tuners")


@hookimpl
def hyperspace_commands(cli: Root) -> None:
    cli.add("tune", "hyperspace_tuning.cli:tune", section="Work",
            help="Queue a search of TASK; workers propose its runs from all past runs.")
    cli.add("searches", "hyperspace_tuning.searches_cli:searches", section="Work",
            help="List the searches of a project, or show one.")
    for verb in ("cancel", "pause", "resume"):
        cli.add(f"queue {verb} --search", f"hyperspace_tuning.search_verbs_cli:{verb}")


@hookimpl
def hyperspace_study(register: AccessorRegister) -> None:
    for name in ("tune", "search", "searches"):
        register.accessor(name, f"hyperspace_tuning.study:{name}")


@hookimpl
def hyperspace_offer_run(worker: WorkerContext, tasks: frozenset[str], queued: bool) -> None:
    """Queue a run of a search, which the slot claims like any other."""
    from hyperspace_core.storage import Searches

    if isinstance(worker.store, Searches):
        from hyperspace_tuning.worker import part_of

        part_of(worker).propose(tasks, queued=queued)


@hookimpl
def hyperspace_watch_run(run: Run, ask: AskWorker, project: Project) -> RunWatcher | None:
    """Watch a run that a search proposed, for the search's pruner."""
    if run.search is None:
        return None
    from hyperspace_tuning.pruning import PrunedRun

    return PrunedRun(run, project, ask)


@hookimpl
def hyperspace_answer(worker: WorkerContext, record: RunRecord, topic: str, payload: Any) -> Any:
    from hyperspace_tuning.search_curves import CURVES, PRUNER

    if topic not in (CURVES, PRUNER):
        return None
    from hyperspace_tuning.worker import part_of

    searches = part_of(worker)
    return searches.pruner(record) if topic == PRUNER else searches.curves(record, payload)


@hookimpl
def hyperspace_worker_changed(worker: WorkerInfo, state: str) -> None:
    from hyperspace_tuning.worker import follow

    follow(worker, state)
