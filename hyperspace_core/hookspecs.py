"""Every hook of hyperspace, in the order in which a run calls them.

A plugin or project implements any of them with `@hookimpl` under the same name, and may leave out arguments
that it does not need. "The child" is the process that executes one run; "the worker" is the process that
claims runs and supervises children. With `inline` isolation and in `Study.run` both are the same process.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hyperspace_core.markers import hookspec

if TYPE_CHECKING:
    from hyperspace_core.cli.main import Root
    from hyperspace_core.components import Scenario
    from hyperspace_core.execution.answers import AskWorker
    from hyperspace_core.extension.accessors import AccessorRegister
    from hyperspace_core.extension.project import Project
    from hyperspace_core.extension.register import Register
    from hyperspace_core.extension.storage import StorageRegister
    from hyperspace_core.records.run import Claim, RunRecord, WorkerInfo
    from hyperspace_core.run import Absent, Run, RunWatcher, Section
    from hyperspace_core.worker.hooks import WorkerContext

# -- Registration: once per process, when a project or the plugins are loaded --

@hookspec
def hyperspace_register(register: Register) -> None:
    """Register components, scenarios and tasks.

    :When: when a project is opened, in every process that opens it (command line, worker's child, notebook).
    :Default: core registers `Pipeline`, `Unchanged` and `Fit`.
    :If it raises: the project cannot be opened; a plugin is rolled back and reported as broken.
    :register: has `module`, `component`, `scenario`, `tasks` and `metric`; and for past runs `migration`,
        `same_behaviour` and `new_default`.
    """


@hookspec
def hyperspace_storage(register: StorageRegister) -> None:
    """Offer stores by URL scheme, as strings that are imported on first use.

    :When: when a process opens the store of a URL.
    :Default: core registers `sqlite`.
    :If it raises: the plugin is reported as broken; other schemes work.
    :register: `register.scheme("mongodb", "my_plugin.store:open_store", "MongoDB")`.
    """


@hookspec
def hyperspace_commands(cli: Root) -> None:
    """Add commands to `hyperspace`.

    :When: when the command line is built, in the process of the command line only.
    :Default: core registers its own commands.
    :If it raises: the plugin is reported as broken; all other commands work.
    :cli: `cli.add(name, "my_plugin.cli:command", section="Work", help="…")` names a command that is imported
        when it is used; "store size" adds `size` to the group `store`, "queue cancel --search" carries out
        this option of core's command. `cli.add_command(command)` takes a click command. A command that
        exists already is refused.
    """


@hookspec
def hyperspace_study(register: AccessorRegister) -> None:
    """Add attributes to `Study` and to its results, as strings that are imported on first use.

    :When: when a study first looks for an attribute that is not core's, once per study.
    :Default: none.
    :If it raises: the plugin is reported as broken and adds no attribute; those of other plugins work.
    :register: `register.accessor("report", "my_plugin.report:report")` adds `study.report`,
        `register.results_accessor(…)` the same to `study.results(…)`. A function is bound like a method; a
        class is built once per object, with the object as its argument. A name of core's, or of another
        plugin's, is refused.
    """


# -- A run: in the child, in this order. The first result that is not None is used; the default (`trylast`)
# calls the chosen component. Wrap a hook (`wrapper=True`) to time, cache or profile it. An error fails the
# run. --

@hookspec(firstresult=True)
def hyperspace_execute(run: Run, scenario: Scenario) -> Any:
    """Execute the run and return the result of its scenario.

    :When: in the child, after seeding and capture.
    :Default: `scenario.single_run(**run.arguments)`.
    :If it raises: the run is FAILED, with the traceback.
    :returns: a number or a dict of numbers.
    """


@hookspec(firstresult=True)
def hyperspace_load_data(run: Run, dataset: Any) -> Any:
    """Load the data.

    :When: in the child, where a scenario calls `run.stages.load_data(dataset)`; `Pipeline` does, first.
    :Default: `dataset.load()`.
    :If it raises: the run is FAILED, with the traceback.
    :dataset: the component, or the plain settings dict of that name in a project without component classes.
    :returns: the data, anything but None.
    """


@hookspec(firstresult=True)
def hyperspace_preprocess(run: Run, preprocessor: Any, data: Any) -> Any:
    """Turn the data into the input of model and trainer.

    :When: in the child, after `hyperspace_load_data`, where a scenario calls `run.stages.preprocess(...)`.
    :Default: `preprocessor.apply(data)`.
    :If it raises: the run is FAILED, with the traceback.
    :returns: the data, anything but None.
    """


@hookspec(firstresult=True)
def hyperspace_build_model(run: Run, model: Any, data: Any) -> Any:
    """Build an unfitted model.

    :When: in the child, after `hyperspace_preprocess`, where a scenario calls `run.stages.build_model(...)`.
    :Default: `model.build(data)`.
    :If it raises: the run is FAILED, with the traceback.
    :returns: the model, anything but None.
    """


@hookspec(firstresult=True)
def hyperspace_train(run: Run, trainer: Any, model: Any, data: Any) -> Any:
    """Fit the model.

    :When: in the child, after `hyperspace_build_model`, where a scenario calls `run.stages.train(...)`.
    :Default: `trainer.train(model, data)`.
    :If it raises: the run is FAILED, with the traceback.
    :returns: the fitted model, anything but None.
    """


@hookspec(firstresult=True)
def hyperspace_score(run: Run, scorer: Any, model: Any,  # type: ignore[empty-body]  # a specification has none
                     data: Any) -> dict[str, float]:
    """Score the fitted model.

    :When: in the child, last, where a scenario calls `run.stages.score(...)`.
    :Default: `scorer.score(model, data)`.
    :If it raises: the run is FAILED, with the traceback.
    :returns: name → number.
    """


# -- Reproducibility: in the child --

@hookspec
def hyperspace_seed(seed: int) -> None:
    """Seed a source of randomness.

    :When: in the child, before the scenario and its components are built.
    :Default: core seeds `random`, and numpy and torch where the project has imported them.
    :If it raises: the run is FAILED, because its results would not belong to its seed.
    :seed: a whole number from 0 to 2**32 - 1.
    """


@hookspec
def hyperspace_capture(run: Run) -> Section | Absent | None:
    """Record one named section of what this run depends on.

    :When: in the child, after seeding, before the scenario runs; every implementation is called.
    :Default: core captures `git`, `packages`, `python`, `host`, `plugins` and `seeds`.
    :If it raises: logged, and kept as an absent section with the error as its reason; the run goes on.
    :returns: `Section(name, data)`, or `Absent(name, reason)`.
    """


@hookspec(firstresult=True)
def hyperspace_fingerprint(data: Any) -> str | None:
    """Compute a fingerprint of loaded data.

    :When: in the child, after `hyperspace_load_data`; kept in the provenance section `data`.
    :Default: SHA-256 of bytes, text, numbers, arrays, tables, images, files (a `Path` by its content) and
        containers of them; it begins with `partial:` if it met other types.
    :If it raises: the section is absent, with the error as its reason; the run goes on.
    :returns: a short text that is equal for equal data, or None to leave it to other implementations.
    """


# -- Observers: called one by one; a failure is logged and the others are still called --

@hookspec
def hyperspace_run_started(run: Run) -> None:
    """React to the start of a run.

    :When: in the child, after capture, right before `hyperspace_execute`.
    :Default: none.
    :If it raises: logged into the run's output; the run goes on.
    :run: the live run; may be logged to.
    """


@hookspec
def hyperspace_run_finished(run: Run, record: RunRecord) -> None:
    """React to the end of a run.

    :When: in the child, when the scenario has returned or raised; in the worker, if the child can no longer
        call it (killed, crashed, out of memory, timed out, cancelled); the worker calls installed plugins
        only.
    :Default: none.
    :If it raises: logged; the outcome stands.
    :run: the run; in the child still open for logging, in the worker closed.
    :record: in the child, the result of the run, which a cancel may still replace; in the worker, the
        stored record.
    """


@hookspec
def hyperspace_worker_changed(worker: WorkerInfo, state: str) -> None:
    """React to a change of a worker's state.

    :When: in the worker, at each change.
    :Default: none.
    :If it raises: logged; the worker goes on.
    :state: `started`, `idle`, `busy`, `draining`, `uncertain` (the store is unavailable), `stopped`.
    """


# -- A worker: runs besides the queue, and questions of runs. The implementations of installed plugins are
# called one by one until one has a result; a project's own take part with `inline` isolation and in
# `Study.run`. --

@hookspec(firstresult=True)
def hyperspace_offer_run(worker: WorkerContext, tasks: frozenset[str], queued: bool) -> Claim | None:
    """Offer a run to a worker that has a free slot.

    :When: in the worker, on a thread of its own: when a slot has found nothing in the queue, and once a
        second before a slot looks at the queue.
    :Default: no run is offered.
    :If it raises: reported, and this worker does not ask the plugin again; likewise where it takes longer
        than 5 seconds, after which a claim is released. It may raise `StoreError` of an unavailable store.
    :worker: has `store`, `project`, `owner`, `clock` and `options`. `stopping()` is true once nothing more is
        claimed; `tell(text, level)` reports a line; `wake()` has free slots look at the queue again;
        `with worker.preparing():` keeps a draining worker from ending while a plugin makes a run.
    :tasks: the tasks that this worker can execute.
    :queued: True before a look at the queue: offer only what is more urgent than the queue.
    :returns: a claim from `worker.store.claim(..., worker.owner, ...)`; or None, also after it has queued a
        run and called `worker.wake()`. What takes long belongs on a thread of the plugin.
    """


@hookspec(firstresult=True)
def hyperspace_watch_run(run: Run, ask: AskWorker, project: Project) -> RunWatcher | None:
    """Watch the values that a run logs, and request its stop.

    :When: in the child, once, before seeding.
    :Default: no run is watched.
    :If it raises: printed into the run's output; the run goes on without this watcher.
    :run: the live run; `run.request_stop("reason")` makes `run.should_stop()` true.
    :ask: `ask(topic, payload)` sends a question to `hyperspace_answer` in the worker and returns at once; the
        returned object has `arrived`, `value` and `wait(seconds)`. The answer may never arrive.
    :project: the opened project.
    :returns: a `hyperspace_core.run.RunWatcher`, or an object with some of its methods; None for other runs.
    """


@hookspec(firstresult=True)
def hyperspace_answer(worker: WorkerContext, record: RunRecord, topic: str, payload: Any) -> Any:
    """Answer a question of a run's watcher.

    :When: in the worker, for each `ask(topic, payload)`, in their order, on a thread of the run.
    :Default: the answer is None.
    :If it raises: reported once; the answer is None. Where it hangs, only this run gets no answers.
    :worker: as in `hyperspace_offer_run`.
    :record: the run that asks, as it was claimed.
    :topic: text; begin it with the name of your plugin, and return None for others.
    :payload: plain values, as they were sent.
    :returns: plain values: None, bool, number, text, bytes, lists and dicts of these.
    """
