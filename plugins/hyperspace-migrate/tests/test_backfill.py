"""Backfill of past configs on a real store, after changes of the project."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from farm import DEPTH, declaring, parts
from hyperspace_core.errors import NotFound, Refused, UsageError
from hyperspace_core.extension.manager import build_manager
from hyperspace_core.migrations import add, map_values, move, rename, rename_class
from hyperspace_core.records.filter import RunFilter
from hyperspace_core.records.states import State
from hyperspace_core.results.comparable import existing_runs, experiment_key
from hyperspace_core.study import Study
from hyperspace_core.submission import SubmitOptions, plan, problem_of_task
from hyperspace_core.worker.state import WorkerOptions
from hyperspace_core.worker.worker import Worker
from hyperspace_migrate.check import check_project
from hyperspace_migrate.plan import BackfillPlan, apply_plan, plan_backfill, step_text, undo
from pytest_hyperspace.project import ProjectFolder
from support.openings import Open

Texts = Callable[[], list[tuple[Any, ...]]]
FOREST = {"className": "Forest", "trees": 5}
RENAMED = parts().replace("trees", "n").replace("Line", "Slope")
RENAMES = declaring('register.migration("n", rename("trees", "n", of="Forest"), '
                    'rename_class("Line", "Slope"))')


def planned(study: Study, **options: Any) -> BackfillPlan:
    return plan_backfill(study.project, study.store, **options)


def fill(study: Study, **options: Any) -> dict[str, int]:
    return apply_plan(study.store, planned(study, **options))


def effects(found: BackfillPlan) -> dict[str, list[tuple[str, int]]]:
    return {one.migration.name: [(effect.text, effect.runs) for effect in one.effects]
            for one in found.migrations}


def config(study: Study, run: int) -> dict[str, Any]:
    found = study.get(run).config
    assert found is not None
    return found


# -- missing parameters --------------------------------------------------------------------------------------

def test_without_changes_the_plan_is_empty(opened: Open, texts: Texts) -> None:
    study = opened()
    study.run("trial", {"learner": FOREST})
    before = texts()

    assert planned(study).migrations == () and planned(study).looked_at == 1
    assert fill(study) == {} and study.store.migrations("farm") == [] and texts() == before


def test_a_new_parameter_is_added_at_every_depth(opened: Open) -> None:
    study = opened()
    for learner in ("Forest", "Line", "Vote"):
        study.run("trial", {"learner": learner})
    study = opened({"parts.py": parts(DEPTH)})
    [only] = planned(study).migrations

    assert effects(planned(study)) == {only.migration.name: [("Forest.max_depth = null", 2)]}
    assert only.migration.name.startswith("add 20") and only.migration.name.endswith(" Forest.max_depth")
    assert fill(study) == {only.migration.name: 2}
    assert config(study, 1)["learner"]["max_depth"] is None
    assert config(study, 2) == {"learner": {"className": "Line", "slope": 1.0}, "rate": 0.1}
    assert config(study, 3)["learner"]["members"][0]["max_depth"] is None
    assert [run for run in (1, 2, 3) if study.get(run).migrated == (only.migration.name,)] == [1, 3]
    assert study.get(2).migrated == ()
    assert planned(study).migrations == ()


def test_the_submitted_config_never_changes(opened: Open) -> None:
    study = opened()
    study.run("trial", {"learner": FOREST})
    study = opened({"parts.py": parts(DEPTH)})
    same = plan(study.project, problem_of_task(study.project, "trial"),
                {"learner": FOREST}, SubmitOptions())[0]

    assert experiment_key(same) not in existing_runs(study.store, study.project, "trial")
    fill(study)
    assert existing_runs(study.store, study.project, "trial") == {experiment_key(same): 1}
    assert study.get(1).submitted == {"learner": FOREST}
    assert [record.id for record in study.results("trial", where="learner.max_depth=null")] == [1]


def test_the_class_default_is_added_not_that_of_an_object(opened: Open) -> None:
    study = opened()
    study.run("trial")
    study = opened({"parts.py": parts(DEPTH, ("Forest(trees=50)", "Forest(trees=50, max_depth=4)"))})
    fill(study)

    assert config(study, 1)["learner"]["max_depth"] is None


def test_scenario_and_dataclass_parameters_are_added(opened: Open) -> None:
    study = opened()
    study.run("trial", {"learner": FOREST})
    study = opened({"parts.py": parts(
        ("    depth: int = 3", "    depth: int = 3\n    leaves: int = 2"),
        ("    rows: int = 10", '    rows: int = 10\n    season: str = "all"'),
        ("rate: float = 0.1", "rate: float = 0.1, momentum: float = 0.9, second: Learner = Line()"))})

    assert effects(planned(study)).popitem()[1] == [
        ('Trial.season = "all"', 1), ("momentum = 0.9 (of Trial)", 1),
        ('second = {"className": "Line", "slope": 1.0} (of Trial)', 1), ("Forest.limits.leaves = 2", 1)]
    fill(study)
    assert study.get(1).scenario == {"className": "Trial", "rows": 10, "season": "all"}
    assert config(study, 1) == {
        "learner": {**FOREST, "rule": "gini", "limits": {"depth": 3, "leaves": 2}}, "rate": 0.1,
        "momentum": 0.9, "second": {"className": "Line", "slope": 1.0}}


def test_paths_in_lists_and_dicts_contain_a_star(opened: Open) -> None:
    more = ("rate: float = 0.1",
            "rate: float = 0.1, layers: list[Limits] = [], named: dict[str, Limits] = {}")
    study = opened({"parts.py": parts(more)})
    study.run("trial", {"learner": "Line", "layers": [{"depth": 1}, {}], "named": {"a": {"depth": 2}}})
    study = opened({"parts.py": parts(more, ("depth: int = 3", "depth: int = 3\n    leaves: int = 2"))})

    assert effects(planned(study)).popitem()[1] == [
        ("layers.*.leaves = 2 (of Trial)", 1), ("named.*.leaves = 2 (of Trial)", 1)]
    fill(study)
    assert config(study, 1)["layers"] == [{"depth": 1, "leaves": 2}, {"depth": 3, "leaves": 2}]
    assert config(study, 1)["named"] == {"a": {"depth": 2, "leaves": 2}}


def test_a_class_name_of_two_families_is_qualified(opened: Open) -> None:
    other = """
class Other(Component):
    pass


@dataclass
class _Second(Other):
    width: int = 1


@dataclass
class Trial"""
    text = parts(("\n@dataclass\nclass Trial", other),
                 ("rate: float = 0.1", "rate: float = 0.1, other: Other = _Second()"))
    study = opened({"parts.py": text, "hyperspace.py": declaring(
        'register.component(parts.Other, parts._Second, name="Line")')})
    study.run("trial", {"learner": "Line"})
    study = opened({"parts.py": text.replace("width: int = 1", "width: int = 1\n    height: int = 4")})

    assert effects(planned(study)).popitem()[1] == [("Line.height = 4 (in other)", 1)]
    fill(study)
    assert config(study, 1) == {"learner": {"className": "Line", "slope": 1.0}, "rate": 0.1,
                                "other": {"className": "Line", "width": 1, "height": 4}}


def test_a_class_with_an_alias_is_renamed(opened: Open) -> None:
    study = opened()
    study.run("trial", {"learner": "Line"})
    text = parts(("class Line(Learner):", 'class Slope(Learner):\n    aliases: ClassVar = ("Line",)\n'),
                 ("slope: float = 1.0", "slope: float = 1.0\n    offset: float = 0.0"), (", Line()]", "]"))
    study = opened({"parts.py": text})

    assert [text for text, _ in effects(planned(study)).popitem()[1]] == ["class Line -> Slope",
                                                                          "Slope.offset = 0.0"]
    fill(study)
    assert config(study, 1)["learner"] == {"className": "Slope", "slope": 1.0, "offset": 0.0}


def test_invalid_runs_are_skipped_and_counted_by_cause(opened: Open, texts: Texts) -> None:
    study = opened()
    for learner in ("Line", "Line", FOREST, {"className": "Forest", "rule": "other"}):
        study.run("trial", {"learner": learner})
    before = texts()
    text = parts(DEPTH, (", Line()]", "]"), ('rule: str = "gini"', 'rule: Literal["gini"] = "gini"'))
    study = opened({"parts.py": text.replace("class Line", "class Slope")})
    found = planned(study)

    assert [(left.cause, left.runs, left.last) for left in found.left] == [
        ("`learner.className`: no learner 'Line'. Known: Forest, Slope, Vote.", 2, 2),
        ("`learner.rule`: expected 'gini', found str 'other'", 1, 4)]
    assert [one.runs for one in found.migrations] == [(3,)]
    apply_plan(study.store, found)
    assert [row for row in texts() if row[0] != 3] == [row for row in before if row[0] != 3]


def test_queued_runs_and_runs_without_config_are_ignored(opened: Open) -> None:
    study = opened()
    waiting = study.submit("trial")
    study.queue.cancel(study.submit("trial"))  # type: ignore[arg-type]
    study = opened({"parts.py": parts(DEPTH)})

    assert planned(study).looked_at == 1
    fill(study)
    assert study.get(waiting).migrated == ()  # type: ignore[arg-type]
    assert study.get(2).state == State.CANCELLED and study.get(2).migrated != ()


# -- migrations of the project -------------------------------------------------------------------------------

def test_project_migrations_come_first_and_in_order(opened: Open) -> None:
    study = opened()
    for learner in (FOREST, "Line", "Vote"):
        study.run("trial", {"learner": learner})
    study = opened({
        "parts.py": RENAMED.replace(*DEPTH),
        "hyperspace.py": RENAMES + '    register.migration("rules", '
                         'map_values("rule", {"gini": "Gini"}, of="Forest"))\n'})
    found = planned(study)

    assert list(effects(found).values()) == [
        [("Forest.trees -> n", 2), ("class Line -> Slope", 2)], [('Forest.rule: "gini" -> "Gini"', 2)],
        [("Forest.max_depth = null", 2)]]
    assert apply_plan(study.store, found) == {"n": 3, "rules": 2, found.migrations[2].migration.name: 2}
    assert config(study, 1)["learner"] == {
        "className": "Forest", "n": 5, "rule": "Gini", "limits": {"depth": 3}, "max_depth": None}
    assert config(study, 3)["learner"]["members"][1] == {"className": "Slope", "slope": 1.0}
    assert study.get(1).migrated == ("n", "rules", found.migrations[2].migration.name)
    assert [one.name for one in study.store.migrations("farm")] == list(study.get(1).migrated)
    assert planned(study).migrations == ()


def test_author_and_time_of_a_migration_are_stored(opened: Open) -> None:
    study = opened()
    study.run("trial", {"learner": FOREST})
    study = opened({"parts.py": RENAMED, "hyperspace.py": RENAMES})
    fill(study)
    [kept] = study.store.migrations("farm")

    assert kept.author == study.get(1).submitted_by and "@" in kept.author
    assert kept.at is not None and kept.runs == 1 and kept.undone_at is None
    assert kept.steps == study.project.migrations[0].steps


def test_a_run_that_cannot_be_migrated_is_reported(opened: Open, texts: Texts) -> None:
    study = opened()
    study.run("trial", {"learner": FOREST})
    before = texts()
    study = opened({"hyperspace.py": declaring(
        'register.migration("first", move("rate", "speed"))',
        'register.migration("second", rename("trees", "rule", of="Forest"))')})
    found = planned(study)

    assert [left.cause.partition(", which")[0] for left in found.left] == [
        "migration 'second': `learner.trees`: cannot become `learner.rule`"]
    assert [one.migration.name for one in found.migrations] == ["first"]
    apply_plan(study.store, found)
    assert study.get(1).migrated == ("first",) and texts() != before


def test_a_reused_name_is_not_migrated(opened: Open) -> None:
    study = opened()
    study.run("trial", {"learner": FOREST})
    study = opened({"parts.py": RENAMED, "hyperspace.py": RENAMES})
    fill(study)
    study = opened({"parts.py": RENAMED.replace(DEPTH[0], DEPTH[0] + "\n    trees: int = 1")})
    study.run("trial", {"learner": {"className": "Forest", "n": 7, "trees": 3}})

    assert [one.runs for one in planned(study).migrations] == [(1,)] and planned(study).left == ()
    fill(study)
    assert config(study, 1)["learner"]["trees"] == 1 and config(study, 2)["learner"]["trees"] == 3


def test_an_applied_migration_must_not_change(opened: Open) -> None:
    study = opened()
    study.run("trial", {"learner": FOREST})
    study = opened({"parts.py": RENAMED, "hyperspace.py": RENAMES})
    fill(study)
    study = opened({"hyperspace.py": declaring('register.migration("n", rename("trees", "m", of="Forest"))')})

    with pytest.raises(UsageError, match=r"'n'.: was applied with other steps"):
        planned(study)


# -- names ---------------------------------------------------------------------------------------------------

def test_a_name_may_be_chosen_and_belongs_to_one_migration(opened: Open) -> None:
    study = opened()
    study.run("trial", {"learner": FOREST})
    study = opened({"parts.py": parts(DEPTH)})

    assert fill(study, name="depths") == {"depths": 1}
    study = opened({"parts.py": parts(DEPTH, ("slope: float", "width: int = 2\n    slope: float"))})
    study.run("trial", {"learner": FOREST})
    study = opened({"parts.py": parts(DEPTH, ("rows: int = 10", "rows: int = 10\n    days: int = 1"))})
    with pytest.raises(UsageError, match="--name 'depths': another migration has that name"):
        planned(study, name="depths")


def test_a_migration_after_an_undo_gets_a_new_name(opened: Open) -> None:
    study = opened()
    study.run("trial", {"learner": FOREST})
    study = opened({"parts.py": parts(DEPTH)})
    [first] = fill(study)
    undo(study.store, "farm", first)
    [second] = fill(study)

    assert second == f"{first} (2)"


# -- undo ----------------------------------------------------------------------------------------------------

def test_undo_restores_the_exact_bytes(opened: Open, texts: Texts) -> None:
    study = opened()
    for learner in (FOREST, "Line", "Vote"):
        study.run("trial", {"learner": learner, "rate": 1e-7})
    before = texts()
    study = opened({"parts.py": RENAMED.replace("slope: float", "width: int = 2\n    slope: float"),
                    "hyperspace.py": RENAMES})
    first, second = fill(study)
    assert texts() != before

    with pytest.raises(Refused, match=f"migration 'n': run 2 was rewritten by '{second}' after it"):
        undo(study.store, "farm", "n")
    with pytest.raises(Refused, match=f"migration 'n': run 2 was rewritten by '{second}' after it"):
        undo(study.store, "farm", "n", dry_run=True)
    assert undo(study.store, "farm", second, dry_run=True) == [2, 3] != texts()
    assert undo(study.store, "farm", second) == [2, 3]
    assert undo(study.store, "farm", first) == [1, 2, 3]
    assert texts() == before
    assert study.get(1).migrated == ()
    assert [one.runs for one in study.store.migrations("farm")] == [0, 0]


def test_migrations_of_older_code_stay_undoable(opened: Open, texts: Texts) -> None:
    study = opened()
    study.run("trial", {"learner": FOREST})
    study = opened({"parts.py": parts(DEPTH)})
    fill(study, name="depths")
    renamed = {"parts.py": parts(DEPTH).replace("trees", "n").replace("Line", "Slope"),
               "hyperspace.py": RENAMES}
    fill(opened(renamed))
    study = opened({"parts.py": parts(), "hyperspace.py": declaring("pass")})
    study.run("trial", {"learner": FOREST})            # as `rerun --code original` does
    study = opened(renamed)
    with pytest.raises(UsageError, match="--name 'depths': another migration has that name"):
        planned(study, name="depths")
    [again, _] = reversed(fill(study))

    assert [study.get(run).migrated for run in (1, 2)] == [("depths", "n"), ("n", again)]
    for name in (again, "n", "depths"):
        undo(study.store, "farm", name)
    assert "max_depth" not in config(study, 1)["learner"] and config(study, 2)["learner"]["trees"] == 5


def test_only_what_was_applied_can_be_undone(opened: Open) -> None:
    study = opened()
    study.run("trial")
    study = opened({"parts.py": parts(DEPTH)})

    with pytest.raises(NotFound, match="no migration 'dephts'; none has been applied"):
        undo(study.store, "farm", "dephts")
    fill(study, name="depths")
    with pytest.raises(NotFound, match="no migration 'dephts'; did you mean 'depths'\\?"):
        undo(study.store, "farm", "dephts")


# -- at any moment -------------------------------------------------------------------------------------------

KILLED = """
import os, signal, sys
from hyperspace_migrate import plan
from hyperspace_core.study import Study

plan.BATCH, calls = 3, 0
study = Study("farm", sys.argv[1])
migrate = type(study.store).migrate

def counted(self, migration, rewrites):
    global calls
    calls += 1
    if calls == int(sys.argv[2]) and sys.argv[3] == "before":
        os.kill(os.getpid(), signal.SIGKILL)
    done = migrate(self, migration, rewrites)
    if calls == int(sys.argv[2]):
        os.kill(os.getpid(), signal.SIGKILL)
    return done

type(study.store).migrate = counted
plan.apply_plan(study.store, plan.plan_backfill(study.project, study.store))
"""


@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize("call", [1, 2, 3, 4])
def test_a_killed_backfill_is_finished_by_the_next_call(
        call: int, moment: str, opened: Open, farm: ProjectFolder, path: Path, texts: Texts) -> None:
    study = opened()
    for rate in range(7):
        study.run("trial", {"learner": FOREST, "rate": float(rate)})
    before = texts()
    study = opened({"parts.py": RENAMED.replace("rule: str", "depth: int = 4\n    rule: str"),
                    "hyperspace.py": RENAMES})
    names = [one.migration.name for one in planned(study).migrations]
    ended = subprocess.run([sys.executable, "-c", KILLED, f"sqlite:///{path}", str(call), moment],
                           env=farm.env(), check=False)

    assert ended.returncode == -signal.SIGKILL
    for run in range(1, 8):
        learner, done = config(study, run)["learner"], study.get(run).migrated
        assert done == tuple(names[:len(done)])
        assert ("n" in learner, "depth" in learner) == (len(done) > 0, len(done) > 1)
    fill(study)
    assert [study.get(run).migrated for run in range(1, 8)] == [tuple(names)] * 7
    assert [one.name for one in study.store.migrations("farm")] == names
    for name in reversed(names):
        undo(study.store, "farm", name)
    assert texts() == before


def test_two_backfills_at_once_rewrite_each_run_once(opened: Open, path: Path, texts: Texts) -> None:
    study = opened()
    for rate in range(40):
        study.run("trial", {"learner": FOREST, "rate": float(rate)})
    before = texts()
    studies = [opened({"parts.py": RENAMED, "hyperspace.py": RENAMES}) for _ in range(2)]
    plans = [planned(study) for study in studies]
    together = threading.Barrier(2)
    done: list[dict[str, int]] = []

    def work(number: int) -> None:
        together.wait()
        done.append(apply_plan(studies[number].store, plans[number]))

    threads = [threading.Thread(target=work, args=(number,)) for number in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sum(one["n"] for one in done) == 40
    assert {studies[0].get(run).migrated for run in range(1, 41)} == {("n",)}
    undo(studies[0].store, "farm", "n")
    assert texts() == before


def test_a_run_requeued_meanwhile_is_skipped(opened: Open) -> None:
    study = opened()
    study.run("trial", {"learner": FOREST})
    study.run("trial", {"learner": FOREST})
    study = opened({"parts.py": parts(DEPTH)})
    found = planned(study)
    study.queue.requeue(1)

    assert list(apply_plan(study.store, found).values()) == [1]
    assert study.get(1).migrated == () and "max_depth" not in config(study, 1)["learner"]


def test_a_migrated_run_is_rerun_with_current_names(opened: Open) -> None:
    study = opened()
    study.run("trial", {"learner": FOREST})
    study = opened({"parts.py": RENAMED, "hyperspace.py": RENAMES})
    fill(study)
    again = study.rerun(1, {"learner": {"n": 6}}, here=True)

    assert again.state == State.COMPLETED and again.config == {  # type: ignore[union-attr]
        "learner": {"className": "Forest", "n": 6, "rule": "gini", "limits": {"depth": 3}}, "rate": 0.1}


@pytest.mark.parametrize("filled", [True, False])
def test_a_run_of_earlier_code_can_be_rerun(filled: bool, opened: Open) -> None:
    study = opened()
    study.run("trial", {"learner": FOREST})
    study.run("trial", {"learner": "Line"})
    waiting = study.submit("trial", {"learner": FOREST})
    assert isinstance(waiting, int)
    study = opened({"parts.py": RENAMED, "hyperspace.py": RENAMES})
    if filled:
        fill(study)
    study.queue.requeue(2)
    again = study.rerun(1, {"learner": {"n": 6}})
    assert isinstance(again, int)
    Worker(study.store, "farm", build_manager(), WorkerOptions(isolation="inline", drain=True)).run()

    assert [study.get(run).state for run in (1, 2, waiting, again)] == [State.COMPLETED] * 4
    assert config(study, 2)["learner"] == {"className": "Slope", "slope": 1.0}
    assert config(study, waiting)["learner"]["n"] == 5 and config(study, again)["learner"]["n"] == 6
    assert check_project(study.project, study.store, RunFilter(project="farm")).findings == ()


def test_a_step_is_described_on_one_line() -> None:
    steps = [add("max_depth", None, of="Forest"), add("rate", 0.1, scenario="Trial"), rename("a.b", "c"),
             move("a.b", "c.d"), map_values("rule", {"gini": "Gini"}, of="Forest", within="classifier"),
             rename_class("Old", "New")]

    assert list(map(step_text, steps)) == [
        "Forest.max_depth = null", "rate = 0.1 (of Trial)", "a.b -> c", "a.b -> c.d",
        'Forest.rule: "gini" -> "Gini" (in classifier)', "class Old -> New"]
