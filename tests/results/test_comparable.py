"""Comparable runs: a project on disk is run, changed and run again."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from hyperspace_core.errors import UsageError
from hyperspace_core.records.run import RunRecord
from hyperspace_core.records.traits import Sameness, fingerprints_of, run_traits
from hyperspace_core.results.comparable import (
    CurrentCode,
    criteria_of,
    existing_runs,
    experiment_key,
    same_behaviour_line,
    select_comparable,
)
from hyperspace_core.results.results import Results
from hyperspace_core.study import Study
from hyperspace_core.submission import SubmitOptions, plan, problem_of_task
from hyperspace_migrate.plan import apply_plan, plan_backfill
from support.garden import FILES, TASK, changed, declaring, with_hook
from support.openings import Open

FOREST = {"classifier": {"className": "Forest", "trees": 10}}
TREES_20 = {"classifier": {"className": "Forest", "trees": 20}}
SUPPORT = {"classifier": "Support"}
VERSION_2 = {"tasks/holdout.json": TASK.replace('"version": 1', '"version": 2')}
OTHER_SHARE = {"tasks/holdout.json": TASK.replace('"dataset"', '"share": 0.5, "dataset"')}
OTHER_METRIC = {"tasks/holdout.json": TASK.replace('"name": "score"', '"name": "loss"')}
OTHER_FOREST = changed("parts.py", "grown(self.trees) +", "2 * grown(self.trees) +")
OTHER_HELPER = changed("helpers.py", "trees / 100", "trees / 50")

# change between two runs → reasons why the first is not comparable with the second
TAMPERED: dict[str, tuple[dict[str, str], dict[str, Any], list[str]]] = {
    "nothing": ({}, {}, []),
    "config": ({}, {"config": TREES_20}, []),
    "seed": ({}, {"seed": 5}, []),
    "a comment": (changed("parts.py", "class Forest(", "# a word on it\nclass Forest("), {}, []),
    "a docstring": (changed("parts.py", "Many trees.", "Many more trees."), {}, []),
    "its default": (changed("parts.py", "trees: int = 10", "trees: int = 30"), {}, []),
    "another component": (changed("parts.py", "return self.C", "return 2 * self.C"), {}, []),
    "the component": (OTHER_FOREST, {}, ["Forest had other code"]),
    "what it calls": (OTHER_HELPER, {}, ["Forest had other code"]),
    "the scenario": (changed("parts.py", '"loss": 1.0', '"loss": 2.0'), {}, ["Holdout had other code"]),
    "the dataset's code": (changed("parts.py", ".split()", ".split()[:]"), {}, ["Digits had other code"]),
    "a byte of the data": ({"rows.txt": "1 2 4"}, {}, ["other data"]),
    "the dataset's version": (VERSION_2, {}, ["another version of Digits"]),
    "the problem": (OTHER_SHARE, {}, ["another problem (`share`)"]),
    "the metric": (OTHER_METRIC, {}, ["another metric (`score`, maximize)"]),
    "a hook": (with_hook("return ['1', '2', '3']"), {}, ["the hook hyperspace_load_data did not exist"]),
}


def run(study: Study, config: dict[str, Any] | None = None, **wishes: Any) -> RunRecord:
    record = study.run("holdout", FOREST if config is None else config, echo=False, **wishes)
    assert record.result is not None, record.attempt
    return record


def ids(results: Results) -> list[int]:
    return sorted(record.id for record in results)


def left_out(results: Results) -> dict[int, list[str]]:
    return {one.record.id: [reason.text for reason in one.reasons] for one in results.left_out}


def same(name: str, *runs: RunRecord) -> str:
    """The line that declares the code of a class in two runs equivalent."""
    old, new = (part.digest for record in runs for part in (fingerprints_of(record) or {}).values()
                if part.name == name)
    return same_behaviour_line(name, old, new)


@pytest.mark.parametrize("what", TAMPERED)
def test_a_changed_dependency_makes_a_run_incomparable(opened: Open, what: str) -> None:
    files, wishes, reasons = TAMPERED[what]
    run(opened())
    study = opened(files)
    run(study, **wishes)

    results = study.results("holdout")

    assert left_out(results) == ({1: reasons} if reasons else {})
    assert ids(results) == ([2] if reasons else [1, 2])
    assert ids(study.results("holdout", comparable="all")) == [1, 2]


def test_a_new_package_version_does_not_count_as_changed_code(opened: Open, tmp_path: Path,
                                                              monkeypatch: pytest.MonkeyPatch) -> None:
    for version in ("1.0", "2.0"):
        info = tmp_path / version / f"gardening-{version}.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: gardening\nVersion: {version}\n")
        monkeypatch.syspath_prepend(str(info.parent))
        run(opened())
    study = opened()

    assert [record.attempts[0].provenance["packages"]["installed"]["gardening"]
            for record in (study.get(1), study.get(2))] == ["1.0", "2.0"]
    assert ids(study.results("holdout")) == [1, 2]


def test_a_backfilled_parameter_needs_a_harmless_declaration(opened: Open) -> None:
    first = run(opened())
    grown = changed("parts.py", "trees: int = 10", "trees: int = 10\n    deep: int = 0")
    grown = {"parts.py": grown["parts.py"].replace("grown(self.trees) +", "grown(self.trees) + self.deep +")}
    study = opened(grown)
    second = run(study)
    assert left_out(study.results("holdout")) == {1: ["Forest had other code"]}
    apply_plan(study.store, plan_backfill(study.project, study.store))
    assert experiment_key(study.get(1)) == experiment_key(second)

    study = opened(declaring(same("Forest", first, second)))

    assert ids(study.results("holdout")) == [1, 2]
    assert existing_runs(study.store, study.project, "holdout") == {experiment_key(second): 1}


# -- code changes declared harmless --------------------------------------------------------------------------


def test_harmless_declarations_are_transitive(opened: Open) -> None:
    runs = [run(opened())]
    for factor in ("2 *", "3 *"):
        runs.append(run(opened(changed("parts.py", "grown(self.trees) +", f"{factor} grown(self.trees) +"))))
    steps = [same("Forest", runs[0], runs[1]), same("Forest", runs[1], runs[2])]

    assert ids(opened(declaring(steps[0])).results("holdout")) == [3]
    assert ids(opened(declaring(*steps)).results("holdout")) == [1, 2, 3]


def test_fingerprint_prefixes_of_any_length_are_equivalent() -> None:
    a, b, c = (digit * 64 for digit in "abc")
    sameness = Sameness([(a[:8], b[:10]), (b[:8], c)])

    assert sameness.of(a) == sameness.of(b) == sameness.of(c) != sameness.of("d" * 64)
    assert sameness.of("d" * 64) == "d" * 64
    assert sameness.of("") == ""


# -- the reference -------------------------------------------------------------------------------------------


def test_older_runs_stay_comparable_until_new_code_has_a_run(opened: Open) -> None:
    for config in (FOREST, TREES_20, SUPPORT):
        run(opened(), config)

    study = opened(OTHER_FOREST)
    assert ids(study.results("holdout")) == [1, 2, 3]
    run(study)
    results = study.results("holdout")

    assert ids(results) == [3, 4]
    assert left_out(results) == {1: ["Forest had other code"], 2: ["Forest had other code"]}


def test_current_code_takes_precedence_over_the_newest_run(opened: Open) -> None:
    run(opened())
    run(opened(OTHER_FOREST))

    study = opened({"parts.py": FILES["parts.py"]})

    assert ids(study.results("holdout")) == [1]


def test_proposals_use_only_runs_of_the_current_code(opened: Open) -> None:
    run(opened())
    run(opened(), SUPPORT)

    study = opened(OTHER_FOREST)
    runs = run_traits(study.results("holdout", comparable="all"))
    criteria = criteria_of(runs, CurrentCode(study.project), newest=False)

    assert [run.record.id for run in runs if not criteria.against(run)] == [2]


def test_without_the_project_the_newest_run_is_the_reference(opened: Open) -> None:
    run(opened())
    run(opened(OTHER_FOREST))
    run(opened({"parts.py": FILES["parts.py"]}), SUPPORT)
    records = list(opened().results("holdout", comparable="all"))

    found = select_comparable(records, lambda: None)

    assert sorted(record.id for record in found.kept) == [2, 3]


def test_the_project_is_not_loaded_if_the_runs_agree(opened: Open) -> None:
    study = opened()
    for seed in (1, 2):
        run(study, seed=seed)

    def asked() -> CurrentCode:
        raise AssertionError("the project was asked")

    assert len(select_comparable(study.results("holdout"), asked).kept) == 2


def test_a_removed_class_is_compared_with_its_newest_run(opened: Open) -> None:
    run(opened(), SUPPORT)
    run(opened(changed("parts.py", "return self.C", "return 2 * self.C")), SUPPORT)

    without = FILES["parts.py"].replace("class Support(", "class _Gone(")
    study = opened({"parts.py": without})

    assert ids(study.results("holdout")) == [2]


def test_runs_of_a_renamed_class_stay_comparable(opened: Open) -> None:
    run(opened(), SUPPORT)
    text = FILES["parts.py"].replace("class Support(Classifier):", "class Vectors(Classifier):")
    study = opened({"parts.py": text.replace('"Few vectors."', '"Few vectors."\n    aliases = ("Support",)')})
    run(study, {"classifier": "Vectors"})

    assert ids(study.results("holdout")) == [1, 2]


def test_unknown_properties_do_not_exclude_a_run(opened: Open) -> None:
    run(opened())
    study = opened(OTHER_FOREST)
    run(study)
    records = list(study.results("holdout", comparable="all"))
    bare = [replace(record, id=record.id + 10, attempts=()) for record in records]

    found = select_comparable([*records, *bare], lambda: CurrentCode(study.project))

    assert sorted(record.id for record in found.kept) == [2, 11, 12]


def test_data_drawn_by_a_seed_are_compared_per_seed(opened: Open) -> None:
    drawn = changed("parts.py", "return (Path(__file__).parent", "import random\n        "
                    "return [random.random()] + (Path(__file__).parent")
    for seed in (1, 2, 1):
        run(opened(drawn), seed=seed)
    assert ids(opened().results("holdout")) == [1, 2, 3]

    study = opened({"rows.txt": "1 2 3 4"})
    run(study, seed=1)

    assert left_out(study.results("holdout")) == {1: ["other data"], 3: ["other data"]}


def test_tasks_are_compared_separately(opened: Open) -> None:
    study = opened({"tasks/other.json": TASK})
    run(study)
    study.run("other", FOREST, echo=False)
    study = opened(OTHER_FOREST)
    run(study)

    assert left_out(study.results()) == {1: ["Forest had other code"]}
    assert ids(study.results()) == [2, 3]


# -- messages ------------------------------------------------------------------------------------------------


def test_the_summary_names_causes_and_cures(opened: Open) -> None:
    for config in (FOREST, TREES_20):
        run(opened(), config)
    run(opened({"rows.txt": "1"}))
    study = opened(OTHER_FOREST)
    run(study)

    results, line = study.results("holdout"), same("Forest", study.get(1), study.get(4))

    assert repr(results).splitlines()[-1] == (
        "3 runs left out: Forest had other code and other data (2), Forest had other code (1); "
        f'comparable="all" shows them; `{line}` declares a change harmless')
    assert "comparable=&quot;all&quot;" in results._repr_html_()
    assert repr(results.left_out[0]) == "<run 2 left out: Forest had other code and other data>"
    assert len(study.results("holdout", limit=1)) == 1
    assert len(study.results("holdout", limit=1)[:1].left_out) == 3


def test_several_code_changes_refer_to_runs_diff(opened: Open) -> None:
    for files in ({}, OTHER_FOREST, OTHER_HELPER):
        study = opened(files)
        run(study)

    assert repr(study.results("holdout")).splitlines()[-1] == (
        '2 runs left out: Forest had other code; comparable="all" shows them; `register.same_behaviour` '
        "declares a change harmless, `hyperspace runs diff` prints it")


def test_an_unknown_comparable_value_is_refused(opened: Open) -> None:
    with pytest.raises(UsageError, match="expected 'strict' or 'all', got 'strickt'; did you mean"):
        opened().results("holdout", comparable="strickt")  # type: ignore[arg-type]


def test_the_best_so_far_is_comparable_with_the_newest_runs(opened: Open) -> None:
    run(opened(OTHER_HELPER))
    study = opened(FILES)
    worse, better = run(study), run(study, TREES_20)
    assert max(study.results("holdout", comparable="all"), key=lambda one: one.result or 0.0).id == 1

    assert study.overview().best["holdout"].id == better.id > worse.id


# -- existing runs -------------------------------------------------------------------------------------------


def test_a_run_on_changed_code_does_not_count_as_existing(opened: Open) -> None:
    run(opened())
    run(opened(), SUPPORT)
    study = opened(OTHER_FOREST)
    problem = problem_of_task(study.project, "holdout")
    forest, = plan(study.project, problem, FOREST, SubmitOptions())
    support, = plan(study.project, problem, SUPPORT, SubmitOptions())

    assert existing_runs(study.store, study.project, "holdout") == {experiment_key(support): 2}
    run(study)
    assert existing_runs(study.store, study.project, "holdout") == {
        experiment_key(support): 2, experiment_key(forest): 3}


def test_a_queued_run_on_changed_code_does_not_count_as_existing(opened: Open) -> None:
    opened().submit("holdout", FOREST)
    opened().submit("holdout", SUPPORT)

    study = opened(OTHER_FOREST)

    assert list(existing_runs(study.store, study.project, "holdout").values()) == [2]
    study.submit("holdout", FOREST)
    assert sorted(existing_runs(study.store, study.project, "holdout").values()) == [2, 3]


def test_an_unpinned_queued_run_counts_as_existing(opened: Open) -> None:
    opened().submit("holdout", FOREST, code="current")

    study = opened(OTHER_FOREST)

    assert list(existing_runs(study.store, study.project, "holdout").values()) == [1]


def test_pinned_components_are_used_if_none_were_recorded(opened: Open) -> None:
    run(opened())
    study = opened(OTHER_FOREST)
    run(study)
    shared = {"components": {"absent": "not read"}}            # shared by all runs
    records = [replace(record, code={"components": record.attempts[0].provenance["components"]},
                       attempts=(replace(record.attempts[0], provenance=shared),))
               for record in study.results("holdout", comparable="all")]

    assert [record.id for record in select_comparable(records, lambda: None).kept] == [2]
