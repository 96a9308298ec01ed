"""Execute one run in this process, in a worker's child as in `inline`.

Independent of processes, pipes and stores: all results go into a sink.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hyperspace_core.capture.code_fingerprint import SECTION as COMPONENTS, components_section
from hyperspace_core.capture.environment import editable_folder
from hyperspace_core.config.tree import digest
from hyperspace_core.errors import ConfigError, HyperspaceError, error_line, shortened
from hyperspace_core.execution.answers import AskWorker, no_worker
from hyperspace_core.execution.code import tell_code
from hyperspace_core.execution.failure import failure
from hyperspace_core.execution.job import Job, Plan, plan_of
from hyperspace_core.execution.process_io import Interruption, echo_in_run, flush
from hyperspace_core.execution.protocol import CodeDiffers, Ended, Resolved, RunSink
from hyperspace_core.execution.result import BadResult, BoundedInfo, bounded_result, numbers_of, without_extra
from hyperspace_core.records.info import made_of
from hyperspace_core.records.run import Attempt, Finish, RunRecord, Update
from hyperspace_core.records.states import Outcome, State
from hyperspace_core.run import Absent, Info, Run, RunInterrupted, RunWatcher, Section, as_current_run

if TYPE_CHECKING:
    from hyperspace_core.extension.manager import Extensions
    from hyperspace_core.extension.project import Project


def execute(job: Job, sink: RunSink, extensions: Extensions, project: Project, *,
            on_run: Callable[[Run], None], interruption: Interruption | None = None,
            ask: AskWorker = no_worker, folder: Path | None = None) -> Finish:
    """Execute `job` and report to `sink`; never raises for what user code does.

    `on_run` is called with the live run before user code gets it. The outcome is the last message to `sink`,
    and is returned. `interruption.ask()` may be called meanwhile, in this thread; an interrupted run ends as
    RELEASED, since only the caller knows the reason. `ask` sends questions of plugins to the worker.
    `folder`: the worker's, where it is not the working directory; an editable install of the project has its
    own.
    """
    execution = _Execution(job=job, sink=sink, extensions=extensions, project=project,
                           interruption=interruption or Interruption(), ask=ask,
                           folder=editable_folder(project.distribution) or folder)
    try:
        finish, heard = execution.outcome(on_run)
    except BaseException as error:  # noqa: BLE001 - a run always has an outcome
        finish, heard = failure(error), False
    sink.emit(Ended(finish, heard))
    return finish


@dataclass(frozen=True, kw_only=True)
class _Execution:
    """One attempt and its collaborators."""

    job: Job
    sink: RunSink
    extensions: Extensions
    project: Project
    interruption: Interruption
    ask: AskWorker
    folder: Path | None            # of the project's files; None: the working directory

    def outcome(self, on_run: Callable[[Run], None]) -> tuple[Finish, bool]:
        """How the attempt ended, and whether observers were called."""
        try:
            plan = plan_of(self.job, self.project)
        except ConfigError as error:
            return self._misfit(error), False
        except HyperspaceError as error:           # a missing or broken task
            return Finish(outcome=Outcome.FAILED, reason=str(error), retry=False), False
        if plan.differs:
            self.sink.emit(Resolved(Update(scenario=plan.scenario, config=plan.config, metric=plan.metric,
                                           seed=plan.seed)))
        run = self._live_run(plan)
        run.watcher = self._watcher(run)
        self.interruption.watch(run)
        on_run(run)
        with as_current_run(run):
            finish = self._executed(run, plan)
            ended = finish.outcome is not Outcome.RELEASED     # the worker settles a released run
            if ended:
                record = _record(self.job, plan, finish)
                self.extensions.observers("hyperspace_run_finished", run=run, record=record)
        _send_info_again(run)
        return finish, ended

    def _executed(self, run: Run, plan: Plan) -> Finish:
        """Seed, capture, build and run; check the result."""
        here = os.getpid()
        try:
            self.extensions.hook.hyperspace_seed(seed=plan.seed)
            self._capture(run, plan)
            with self.interruption.user_code():
                finish = self._built_and_run(run, plan)
        except RunInterrupted as error:            # not asked for: an ordinary error
            released = Finish(outcome=Outcome.RELEASED, reason="interrupted")
            finish = released if self.interruption.asked else failure(error)
        except BadResult as error:
            finish = Finish(outcome=Outcome.FAILED, reason=shortened(str(error)), metrics=dict(error.metrics),
                            retry=False)
        except BaseException as error:  # noqa: BLE001 - also SystemExit and KeyboardInterrupt
            _end_copy(here, error)
            finish = failure(error, run.path())
        _end_copy(here, None)
        return finish

    def _built_and_run(self, run: Run, plan: Plan) -> Finish:
        try:
            scenario = self.project.build_scenario(plan.scenario)
            run.arguments = self.project.build_arguments(scenario, plan.config, run)
        except ConfigError as error:
            return self._misfit(error)
        self.extensions.observers("hyperspace_run_started", run=run)
        returned = self.extensions.hook.hyperspace_execute(run=run, scenario=scenario)
        returned, run.extra = without_extra(returned)
        if run.watcher is not None:
            returned = run.watcher.completed(returned)
        result, metrics, left_out = numbers_of(returned, plan.metric.name)
        if left_out:
            echo_in_run(f"not stored: {left_out}")
        kept = bounded_result(run.sink, run.workdir, plan.metric.name, metrics)
        note = shortened(f"not stored: {left_out}") if left_out else None
        return Finish(outcome=Outcome.COMPLETED, reason=run.stop_reason or note, result=result,
                      metrics=dict(kept))

    def _misfit(self, error: ConfigError) -> Finish:
        """A misfit: the submitter's mistake or, of a validated run, older code here."""
        if not self.job.validated or self.job.code.folder is not None:
            return Finish(outcome=Outcome.FAILED, reason=str(error), retry=False)
        self.sink.emit(CodeDiffers(str(error)))
        return Finish(outcome=Outcome.RELEASED, reason=f"this worker's code differs: {shortened(str(error))}")

    def _live_run(self, plan: Plan) -> Run:
        from hyperspace_core.stages import HookStages

        job, workdir = self.job, Path(self.job.workdir)
        run = Run(sink=self.sink, seed=plan.seed, workdir=workdir, id=job.run,
                  attempt=job.attempt, project=job.project, task=job.task, config=plan.config,
                  scenario=plan.scenario, metric=plan.metric.name, goal=plan.metric.goal, search=job.search,
                  folder=self.folder)
        run.info = Info(BoundedInfo(self.sink, workdir))
        run.stages = HookStages(run, self.extensions)
        return run

    def _watcher(self, run: Run) -> RunWatcher | None:
        """The watcher of the first plugin that has one for this run."""
        for plugin, answer in self.extensions.each("hyperspace_watch_run", run=run, ask=self.ask,
                                                   project=self.project):
            if isinstance(answer, BaseException):
                echo_in_run(f"plugin '{plugin}' cannot watch this run: {error_line(answer)}")
            elif answer is not None:
                return _GuardedWatcher(plugin, answer)
        return None

    def _capture(self, run: Run, plan: Plan) -> None:
        """Send a section for each plugin; a failed one is absent, with the error."""
        for name, answer in self.extensions.each("hyperspace_capture", run=run):
            if isinstance(answer, BaseException):
                echo_in_run(f"capture by '{name}' failed: {error_line(answer)}")
                run.sink.emit(Absent(name, error_line(answer)))
            elif isinstance(answer, Section | Absent):
                run.sink.emit(answer)
        stale = self.job.code.stale
        components = Absent(COMPONENTS, stale) if stale else components_section(
            self.project, self.project.components_of(plan.scenario, plan.config))
        run.sink.emit(components)
        tell_code(self.job.code, self.project, self.sink)
        if isinstance(components, Section):
            self._take_up(run, plan, components)

    def _take_up(self, run: Run, plan: Plan, components: Section) -> None:
        """Reuse parts that earlier attempts finished with equal code, config and seed."""
        run.inputs_digest = cache(partial(digest, {"code": components.data, "scenario": plan.scenario,
                                                   "config": plan.config, "seed": plan.seed}))
        if self.job.earlier:
            run.earlier = made_of(run.inputs_digest(), self.job.earlier)
            run.info.update(run.earlier)


class _GuardedWatcher(RunWatcher):
    """Calls the watcher of a plugin until it fails; its methods are optional."""

    def __init__(self, plugin: str, watcher: Any) -> None:
        self._plugin = plugin
        self._watcher: Any = watcher       # None once it has failed

    def on_scalar(self, name: str, step: int | None, value: float) -> None:
        self._call("on_scalar", name, step, value)

    def on_should_stop(self) -> None:
        self._call("on_should_stop")

    def completed(self, returned: Any) -> Any:
        watches = hasattr(self._watcher, "completed")
        answer = self._call("completed", returned)
        return answer if watches and self._watcher is not None else returned

    def _call(self, name: str, *arguments: Any) -> Any:
        method = getattr(self._watcher, name, None)
        try:
            return None if method is None else method(*arguments)
        except Exception as error:
            if name == "completed" and isinstance(error, HyperspaceError):     # the result is wrong
                raise
            self._watcher = None
            echo_in_run(f"plugin '{self._plugin}' no longer watches this run: {name}() failed: "
                        f"{error_line(error)}")
            return None


def _end_copy(here: int, error: BaseException | None) -> None:
    """End a fork of user code that returns here: a run is reported only once."""
    if os.getpid() != here:
        flush()
        code = error.code if isinstance(error, SystemExit) else error is not None
        os._exit(code if isinstance(code, int) else 1)


def _send_info_again(run: Run) -> None:
    """Resend `run.info`, whose lists and dicts may have grown in place."""
    for key in list(run.info):
        try:
            run.info[key] = run.info[key]
        except Exception as error:  # noqa: BLE001 - a full disk, a value that fails when read
            echo_in_run(f"info[{key!r}] cannot be stored again, the value that was set is kept: "
                        f"{error_line(error)}")


def _record(job: Job, plan: Plan, finish: Finish) -> RunRecord:
    """The record that is about to be stored, as far as this process knows it."""
    state = State.COMPLETED if finish.outcome is Outcome.COMPLETED else State.FAILED
    attempt = Attempt(number=job.attempt, outcome=finish.outcome, reason=finish.reason,
                      traceback=finish.traceback)
    return RunRecord(
        id=job.run, uid=job.uid, project=job.project, task=job.task, state=state, reason=finish.reason,
        tags=job.tags, note=job.note, submitted=job.submitted, scenario=plan.scenario, config=plan.config,
        metric=plan.metric, seed=plan.seed, validated=job.validated, result=finish.result,
        metrics=finish.metrics, attempts=(attempt,), parent=job.parent,
    )
