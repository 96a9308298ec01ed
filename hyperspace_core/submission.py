"""Turn user input into runs: validate, complete, seed. Stores nothing."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from time import monotonic
from typing import Any, Literal, get_args

from hyperspace_core.capture.code_fingerprint import SECTION as COMPONENTS, components_section
from hyperspace_core.capture.snapshot import ProjectCode, SourceChanged, project_code
from hyperspace_core.config import tree as trees
from hyperspace_core.config.complete import LIMIT, check_seed, choose_seed, plain_config, take_seed
from hyperspace_core.config.grid import grid_size, iter_grid
from hyperspace_core.config.signature import class_name
from hyperspace_core.config.tree import Tree, merge, shown, without_unquoted
from hyperspace_core.errors import ConfigError, UsageError, did_you_mean, error_line
from hyperspace_core.execution.code import GIT, PINNED
from hyperspace_core.execution.identity import user_at_host
from hyperspace_core.extension.project import Project
from hyperspace_core.records.logged import MAX_NAME, is_name
from hyperspace_core.records.run import SNAPSHOT, Metric, NewRun, Rewritten, RunRecord
from hyperspace_core.records.task import Task, check_task_name
from hyperspace_core.run import Absent, Section
from hyperspace_core.storage import Sources, Store

BATCH = 1000                       # runs that are planned or stored in one step


@dataclass(frozen=True, kw_only=True)
class SubmitOptions:
    """Options of a submission. Raises `UsageError` and `ConfigError`."""

    repeats: int = 1
    seed: int | None = None
    priority: int = 0              # higher goes first
    tags: Collection[str] = ()     # a single text is one tag
    note: str = ""
    retries: int = 0               # number of retries of a run whose code fails

    def __post_init__(self) -> None:
        checked = {
            "repeats": _whole("repeats", self.repeats, least=1),
            "retries": _whole("retries", self.retries, least=0),
            "priority": _whole("priority", self.priority),
            "seed": None if self.seed is None else check_seed("seed", self.seed),
            "tags": tuple(dict.fromkeys([self.tags] if isinstance(self.tags, str) else self.tags)),
        }
        for name, value in checked.items():
            object.__setattr__(self, name, value)
        for tag in self.tags:
            check_tag(tag)
        if not isinstance(self.note, str):
            raise UsageError(f"note: expected text, got {shown(self.note)}")


def check_tag(tag: object) -> None:
    """Raises `UsageError` unless 1 to MAX_NAME printable characters, stripped."""
    if not isinstance(tag, str):
        raise UsageError(f"tags: expected text, got {shown(tag)}")
    if not is_name(tag) or tag != tag.strip():
        raise UsageError(f"tag {tag[:40]!a}: a tag is 1 to {MAX_NAME} printable characters, "
                         "without blanks around it")


@dataclass(frozen=True, kw_only=True)
class Problem:
    """The problem of a submission: a task, now or as a past run had it."""

    task: str
    scenario: Tree                 # completed with defaults
    metric: Metric
    seed: int | None               # the task's seed


def problem_of_task(project: Project, name: str) -> Problem:
    """The problem of a task. Raises `TaskError`, or `ConfigError` (its scenario)."""
    task = project.task(name)
    return Problem(task=task.name, scenario=project.complete_scenario(task), metric=task.metric,
                   seed=task.seed)


def problem_of_run(record: RunRecord) -> Problem:
    """The problem of a past run; later changes of the task file do not apply."""
    if record.scenario is None:
        raise ConfigError(f"run {record.id} never started and its project was not installed where it was "
                          "submitted, so its scenario is unknown; submit the task again")
    return Problem(task=record.task, scenario=record.scenario, metric=record.metric, seed=record.seed)


def plan(project: Project, problem: Problem, config: Mapping[str, Any] | None, wishes: SubmitOptions,
         *, parent: int | None = None) -> list[NewRun]:
    """Plan the runs of one config; repeat i has seed + i, for paired repeats.

    Raises `ConfigError` with every problem of the config.
    """
    written = _as_tree(config, project)
    signature = project.scenario_signature(problem.scenario)
    first, config = take_seed(written, signature, given=wishes.seed, task=problem.seed)
    completed = project.complete(problem.scenario, config)
    seeds = _seeds(first, wishes)
    return _repeated(project.name, problem.task, without_unquoted(written, completed), wishes, seeds,
                     scenario=problem.scenario, metric=problem.metric, parent=parent, config=completed)


def plan_unseen(project: str, name: str, task: Task | None, config: Mapping[str, Any] | None,
                wishes: SubmitOptions) -> list[NewRun]:
    """Plan the runs of one config without the project: a worker completes it.

    `task` is the content of its file, if available. Else a worker looks it up by name, with its seed if the
    run has none; only repeats need a first seed now, so that they differ. Raises `TaskError` for an invalid
    task name.
    """
    written = _as_tree(config)
    open_still = task is None and wishes.seed is None and written.get("seed") is None and wishes.repeats == 1
    seeds: Sequence[int | None] = [None]
    if not open_still:
        own = None if task is None else task.seed
        seeds = _seeds(choose_seed(written, given=wishes.seed, task=own), wishes)
    return _repeated(project, check_task_name(name), without_unquoted(written), wishes, seeds,
                     validated=False, scenario=None if task is None else task.scenario,
                     metric=Metric() if task is None else task.metric)


def _seeds(first: int, wishes: SubmitOptions) -> list[int]:
    return [(first + repeat) % LIMIT for repeat in range(wishes.repeats)]


def _repeated(project: str, task: str, written: Tree, wishes: SubmitOptions,
              seeds: Sequence[int | None], *, config: Tree | None = None, **others: Any) -> list[NewRun]:
    """The runs of one config, one for each seed, which a config with a parameter `seed` holds, too."""
    template = NewRun(
        uid="", project=project, task=task, submitted=written, submitted_by=user_at_host(),
        priority=wishes.priority, tags=tuple(wishes.tags), note=wishes.note, max_failures=wishes.retries,
        **others)
    return [replace(template, uid=uuid.uuid4().hex, seed=seed,
                    config=config | {"seed": seed} if config and "seed" in config else config)
            for seed in seeds]


def iter_plan(project: Project, problem: Problem, grid: Mapping[str, Any],
              wishes: SubmitOptions) -> Iterator[NewRun]:
    """The runs of a grid, lazily, in its order. `seed` may be a list."""
    signature = project.scenario_signature(problem.scenario)
    # one drawn seed for the whole grid, so that its configs differ in nothing else
    base = wishes.seed if wishes.seed is not None else problem.seed
    alone, seeds = _split_seeds(_as_tree(grid, project))
    if seeds and wishes.seed is not None:
        raise UsageError(f"seed {wishes.seed} and the grid's `seed` contradict each other; give only one")
    shared = replace(wishes, seed=None if seeds else choose_seed({}, given=base))
    for config in iter_grid(alone, signature, project.registry):
        for chosen in [{"seed": seed} for seed in seeds] or [{}]:
            yield from plan(project, problem, config | chosen, shared)


def size_of(project: Project, problem: Problem, grid: Mapping[str, Any], wishes: SubmitOptions) -> int:
    """The number of runs that `iter_plan` would yield, without making them."""
    signature = project.scenario_signature(problem.scenario)
    alone, seeds = _split_seeds(_as_tree(grid, project))
    return grid_size(alone, signature, project.registry) * max(1, len(seeds)) * wishes.repeats


def checked_plan(project: Project, problem: Problem, grid: Mapping[str, Any], wishes: SubmitOptions,
                 watch: Callable[[Iterator[NewRun]], Iterable[NewRun]] = iter) -> Iterable[NewRun]:
    """The runs of a grid, all validated first; `watch` observes that.

    A large grid is planned twice, so that it need not be held in memory. Raises `ConfigError`.
    """
    if size_of(project, problem, grid, wishes) <= BATCH:
        return list(iter_plan(project, problem, grid, wishes))
    for _ in watch(iter_plan(project, problem, grid, wishes)):
        pass
    return iter_plan(project, problem, grid, wishes)


def plan_rerun(project: Project, record: RunRecord, changes: Mapping[str, Any] | None,
               wishes: SubmitOptions) -> list[NewRun]:
    """Plan a past run again: its config with changes, its scenario and seed. Raises `ConfigError`."""
    problem = problem_of_run(record)
    changed = _as_tree(changes, project)
    before = record.effective_config
    scenario, base = project.up_to_date(problem.scenario, before)
    runs = plan(project, replace(problem, scenario=scenario), merge(base, changed), wishes, parent=record.id)
    # names from before a migration are no longer known
    renamed = bool(record.migrated) or base != before
    written = merge(base if renamed else record.submitted, changed)
    return [replace(run, submitted=without_unquoted(written, run.config)) for run in runs]


def plan_rerun_of_old(record: RunRecord, before: Rewritten | None, changes: Mapping[str, Any] | None,
                      wishes: SubmitOptions) -> list[NewRun]:
    """Plan a past run again on its original code, which will complete and check the config itself. `before`:
    the run's values before migrations rewrote it."""
    changed = without_unquoted(_as_tree(changes))
    had = before or record
    base = had.config if had.config is not None else record.submitted
    config = merge(base, {key: value for key, value in changed.items() if key != "seed"})
    seeds = _seeds(choose_seed(changed, given=wishes.seed, task=record.seed), wishes)
    return _repeated(record.project, record.task, merge(record.submitted, changed), wishes, seeds,
                     scenario=had.scenario, metric=record.metric, parent=record.id, validated=False,
                     config=config)


def _split_seeds(grid: Tree) -> tuple[Tree, list[int]]:
    if "seed" not in grid:
        return grid, []
    seeds = grid["seed"]
    if isinstance(seeds, dict) and set(seeds) == {"each"}:
        seeds = seeds["each"]
    values = list(seeds) if isinstance(seeds, list | tuple) else [seeds]
    if not values:
        raise ConfigError("`seed`: an empty list of alternatives leaves nothing to run")
    alone = {key: value for key, value in grid.items() if key != "seed"}
    return alone, [check_seed("`seed`", seed) for seed in values]


def _whole(name: str, value: Any, least: int | None = None) -> int:
    number = trees.unwrapped(value)
    if not trees.is_whole_number(number) or (least is not None and number < least):
        at_least = "" if least is None else f" >= {least}"
        raise UsageError(f"{name}: expected a whole number{at_least}, got {value!r}")
    return int(number)


def _as_tree(config: Mapping[str, Any] | None, project: Project | None = None) -> Tree:
    if config is None:
        return {}
    if not isinstance(config, Mapping):
        raise ConfigError(f"config: expected a dict of hyper-parameters, found {type(config).__name__}")
    deep = trees.too_deep(config)                # before the copy, which recurses as deep as the tree
    if deep is not None:
        raise ConfigError(f"config: nested deeper than {trees.MAX_DEPTH} levels at {deep}")
    tree: Tree = plain_config(config, "", class_name if project is None else project.registry.name_of)
    return tree


# -- Pin the project's code to a submission, so that workers execute it --

CodeWish = Literal["pinned", "current"]
TRIES = 3                      # a file changed while the snapshot was stored
KNOWN_S = 600.0                # under one hour, for which a store keeps snapshots without runs


@dataclass(frozen=True, kw_only=True)
class Pin:
    """The `code` section of a submission, with its summary line."""

    code: Tree
    summary: str = ""              # one line to print
    warning: str = ""              # why the code is not pinned although that was requested
    project: Project | None = None         # set where the code is the project's current code

    def on(self, run: NewRun) -> NewRun:
        """A copy of the run with this code and the fingerprints of its components."""
        made_of = {} if self.project is None else _components(self.project, run)
        return replace(run, code={**self.code, COMPONENTS: made_of} if made_of else self.code)


class Pinner:
    """Pin one project's code; a snapshot stored recently is not stored again.

    Without a store, only describe what would be pinned.
    """

    def __init__(self, project: Project, store: Store | None) -> None:
        self._project, self._store = project, store
        self._put_at: dict[str, float] = {}

    def pin(self, wish: str = "pinned") -> Pin:
        """Store the project's code as it is on disk, for runs about to be submitted.

        If the code cannot be stored, `Pin.warning` has the reason and workers execute their installed code.
        Raises `UsageError` for an unknown `wish`, and the store's errors.
        """
        check_wish(wish)
        if wish == "current":
            return Pin(code={}, summary="code not pinned, as requested: each run executes its worker's code")
        if self._store is not None and not isinstance(self._store, Sources):
            return _unpinned(f"{self._store.url} cannot {Sources.ability}")
        for _ in range(TRIES):
            code = project_code(self._project)
            if isinstance(code, Absent):
                return _unpinned(code.reason)
            try:
                self._put(code)
                return self._pinned(code)
            except (SourceChanged, UsageError) as error:       # a file was changed meanwhile
                reason = error_line(error)
        return _unpinned(reason)

    def _put(self, code: ProjectCode) -> None:
        now = monotonic()
        for snapshot in (code.snapshot, code.changes):
            if self._store is not None and snapshot is not None and (
                    now - self._put_at.get(snapshot.digest, -KNOWN_S) >= KNOWN_S):
                Sources.of(self._store).put_snapshot(snapshot, code.read)
                self._put_at[snapshot.digest] = now

    def _pinned(self, code: ProjectCode) -> Pin:
        git = _git(self._project)
        given = code.section() | ({} if git is None else {GIT: git})
        return Pin(code={key: value for key, value in given.items() if value not in (None, [], {})},
                   summary=f"code pinned: {code.summary}", project=self._project)


def pin_of(record: RunRecord) -> Pin:
    """The code of a past run. Raises `UsageError` if the store does not have it."""
    attempt = record.attempt
    ran = {} if attempt is None else attempt.provenance.get("source", {})
    pinned = record.code if SNAPSHOT in record.code else {}
    chosen = ran if isinstance(ran, dict) and SNAPSHOT in ran else pinned
    if SNAPSHOT not in chosen:
        why = ran.get("absent") if isinstance(ran, dict) else None
        because = f" ({why})" if why else ""
        raise UsageError(f"run {record.id}: its code was not kept{because}; use --code current")
    git = (attempt.provenance.get(GIT) if attempt is not None else None) or pinned.get(GIT)
    code = {key: value for key, value in chosen.items() if key not in (PINNED, "note", COMPONENTS)}
    return Pin(code=code | ({GIT: git} if git else {}), summary=f"code pinned: that of run {record.id}")


def check_wish(wish: str, known: tuple[str, ...] = get_args(CodeWish)) -> None:
    if wish not in known:
        raise UsageError(f"code: expected {' or '.join(known)}, got {wish!r}{did_you_mean(str(wish), known)}")


def _unpinned(reason: str) -> Pin:
    return Pin(code={"absent": reason},
               warning=f"the code is not pinned: {reason}; each run executes its worker's installed code")


def _components(project: Project, run: NewRun) -> Tree:
    """Fingerprints of the run's components; empty if the config is not complete yet."""
    if run.scenario is None or run.config is None:
        return {}
    section = components_section(project, project.components_of(run.scenario, run.config))
    return dict(section.data) if isinstance(section, Section) else {}


def _git(project: Project) -> Tree | None:
    """The git section of a run's provenance, captured now."""
    from hyperspace_core.capture.git import git_of

    git = git_of(project)
    answer = None if git is None else git.hyperspace_capture()
    if isinstance(answer, Absent):
        return {"absent": answer.reason}
    return None if answer is None else answer.data
