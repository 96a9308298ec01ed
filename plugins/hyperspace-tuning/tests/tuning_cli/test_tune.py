"""`hyperspace tune`: dry run, queueing and resuming a search."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from hyperspace_core.errors import ExitCode
from hyperspace_core.records.search import Budget, SearchState
from hyperspace_core.storage import Store
from pytest_hyperspace.project import ProjectFolder
from support.commands import Answer
from support.searching import work

Typed = Callable[..., Answer]

pytestmark = pytest.mark.usefixtures("growing")


def test_a_dry_run_shows_the_space_and_stores_nothing(typed: Typed, tmp_path: Path) -> None:
    answer = typed("tune", "first", "--runs", 20, "--tuner", "Random", "--dry-run")

    head, *rest = answer.lines
    assert head == "would queue a search of first: it ends after 20 runs"
    assert [line.split() for line in rest if "Tree.depth" in line] == [
        ["depth", "1", "to", "9", "default", "3", "Tree.depth"]]
    assert "  tuner    Random" in rest and "  history  0 past runs used" in rest
    assert "Space  3 parameters searched, 3 fixed" in rest
    assert any(line.startswith("  noise") and "fixed at 0" in line for line in rest)
    tree = [line for line in rest if line.strip() == "Tree"]
    depth = next(line for line in rest if "Tree.depth" in line)
    assert depth.index("depth") > tree[0].index("Tree")        # a class's parameters stand below it
    assert not (tmp_path / "runs.db").exists()


def test_a_dry_run_counts_used_and_unused_past_runs(typed: Typed, store: Store) -> None:
    typed("submit", "first", "--grid", "model.depth=1,2")
    typed("submit", "first", "--set", "noise=0.5")
    work(store)

    answer = typed("tune", "first", "--runs", 3, "--tuner", "Random", "--dry-run")

    assert ("history  2 past runs used; 1 left out: `noise` another value than the fixed one (1)"
            in answer.out)
    assert not store.searches("growing")


def test_json_of_a_dry_run_has_ranges_for_space(typed: Typed) -> None:
    report = typed("tune", "first", "--patience", 4, "--tuner", "Grid",
                   "--space", '{"noise": {"float": [0, 1]}}', "--dry-run", "--json").json

    model, noise, layers = report["outline"]
    depth = model["children"][1]["children"][0]
    assert (depth["path"], depth["range"], depth["default"]) == ("model.depth", {"int": [1, 9]}, 3)
    assert (noise["range"], noise["source"]) == ({"float": [0.0, 1.0]}, "space=")
    assert (layers["searched"], layers["value"]) == (False, [1, 2])
    assert report["tuner"] == {"className": "Grid", "steps": 5}
    assert (report["budget"]["patience"], report["history"]["used"]) == (4, 0)


def test_tune_queues_a_search_and_names_the_next_commands(typed: Typed, store: Store) -> None:
    answer = typed("tune", "first", "--runs", 3, "--target", 0.5, "--tuner", "Random", "--tag", "wide",
                   "--note", "first try", "--priority", 2, "--seed", 9, "--retries", 1,
                   "--metric", "rows:minimize")

    assert answer.out == "queued search 1 of first by Random: it ends after 3 runs, or 0.5 reached\n"
    assert answer.err.splitlines() == [
        "no worker is running; start one with: hyperspace worker",
        "see its progress with: hyperspace searches show 1"]
    search = store.get_search(1)
    assert (search.tags, search.note, search.priority, search.seed, search.retries) == (
        ("wide",), "first try", 2, 9, 1)
    assert [metric.name for metric in search.metrics] == ["score", "rows"]


def test_runs_of_a_search_are_found_by_its_id(typed: Typed, store: Store) -> None:
    typed("submit", "first")
    record = typed("tune", "first", "--runs", 3, "--tuner", "Random", "--json").json
    work(store)

    runs = typed("runs", "list", "--search", record["id"], "--json").json

    assert (len(runs), {run["search"] for run in runs}) == (3, {record["uid"]})
    assert len(typed("results", "--search", 1, "--by", "run", "--json").json) == 3
    assert len(typed("results", "--by", "run", "--json").json) == 4


def test_a_worker_reports_begin_and_end_of_a_search(typed: Typed) -> None:
    typed("tune", "first", "--runs", 3, "--tuner", "Random")

    report = typed("worker", "--drain", "--isolation", "inline").err.splitlines()

    assert report[:2] == ["search 1 of task 'first': proposing its runs here",
                          "search 1 of task 'first' is over: all 3 runs have been proposed"]


@pytest.mark.parametrize("given", ["json", "file"])
def test_a_space_is_json_or_a_file(typed: Typed, store: Store, tmp_path: Path, given: str) -> None:
    space = {"model": [{"className": "Tree", "depth": {"int": [2, 3]}}]}
    file = tmp_path / "space.json"
    file.write_text(json.dumps(space))

    typed("tune", "first", "--runs", 2, "--tuner", "Random",
          "--space", json.dumps(space) if given == "json" else f"@{file}")

    assert store.get_search(1).space == space


# -- resuming -----------------------------------------------------------------------------------------------


def test_an_ended_search_resumes_with_a_larger_budget(typed: Typed, store: Store) -> None:
    typed("tune", "first", "--runs", 2, "--patience", 9, "--tuner", "Random")
    work(store)

    plan = typed("tune", "--resume", 1, "--runs", 4, "--dry-run")
    assert plan.out == ("would resume search 1 of first: 2 runs have been proposed, it ends after 4 runs, or "
                        "no improvement in 9 runs\n")
    assert store.get_search(1).state is SearchState.ENDED
    typed("tune", "--resume", 1, "--runs", 4, "--priority", 3)
    work(store)

    search = store.get_search(1)
    assert (search.proposed, search.priority, search.budget) == (4, 3, Budget(runs=4, patience=9))


def test_resume_keeps_the_priority(typed: Typed, store: Store) -> None:
    typed("tune", "first", "--runs", 2, "--priority", 5, "--tuner", "Random")

    assert typed("tune", "--resume", 1, "--runs", 4, "--json").json["priority"] == 5


@pytest.mark.parametrize(("words", "code", "cure"), [
    ((), ExitCode.USAGE, "no task: name one, as in `hyperspace tune holdout --runs 100`"),
    (("frist", "--runs", "3"), ExitCode.NOT_FOUND, "did you mean 'first'"),
    (("first",), ExitCode.USAGE, "give a limit: runs, hours, target or patience"),
    (("first", "--runs", "0"), ExitCode.USAGE, "--runs: expected a whole number >= 1, got '0'"),
    (("first", "--hours", "soon"), ExitCode.USAGE, "--hours: expected a number, got 'soon'"),
    (("first", "--hours", "nan"), ExitCode.USAGE, "--hours: expected a number, got 'nan'"),
    (("first", "--hours", "-1"), ExitCode.USAGE, "hours: expected more than 0, got -1"),
    (("first", "--runs", "3", "--tuner", "Rndom"), ExitCode.INPUT, "Did you mean 'Random'?"),
    (("first", "--runs", "3", "--tuner", '{"className": "Grid", "stps": 3}'), ExitCode.INPUT,
     "did you mean `steps`?"),
    (("first", "--runs", "3", "--space", "[1]"), ExitCode.INPUT, "--space: expected an object, found a list"),
    (("first", "--runs", "3", "--space", "@nowhere.json"), ExitCode.INPUT, "nowhere.json: no such file"),
    (("first", "--runs", "3", "--space", '{"model": {"depht": [1, 2]}}'), ExitCode.INPUT, "`model.depht`"),
    (("first", "--runs", "3", "--space", '{"noise": {"float": [0]}}'), ExitCode.INPUT,
     '`noise.float`: expected two numbers, as in {"float": [1, 10]}'),
    (("first", "--runs", "3", "--metric", "rows:min"), ExitCode.USAGE,
     "maximize or minimize after the colon, found 'min'"),
    (("first", "--runs", "3", "--from", "secnd"), ExitCode.NOT_FOUND, "did you mean 'second'"),
    (("first", "--runs", "3", "--from", "first"), ExitCode.USAGE, "learns from its own runs anyway"),
    (("--resume", "7", "--runs", "3"), ExitCode.NOT_FOUND, "no search 7 in this store"),
    (("--resume", "x"), ExitCode.USAGE, "not a search id: expected a whole number, got 'x'"),
    (("--resume", "1", "first"), ExitCode.USAGE, "--resume and first contradict each other"),
    (("--resume", "1", "--tuner", "Grid", "--seed", "3"), ExitCode.USAGE,
     "--resume and --tuner, --seed contradict each other"),
])
def test_a_usage_error_is_one_line_and_queues_nothing(typed: Typed, store: Store, words: tuple[str, ...],
                                                      code: ExitCode, cure: str) -> None:
    answer = typed("tune", *words, expect=code)

    assert answer.out == "" and cure in answer.err
    assert answer.err.count("\n") == 1
    assert store.searches("growing") == []


def test_invalid_json_is_reported_with_its_position(typed: Typed) -> None:
    answer = typed("tune", "first", "--runs", 3, "--space", '{"model": }', expect=ExitCode.INPUT)

    assert answer.err.startswith("error: --space:1:11: ")


def test_a_used_up_budget_is_refused(typed: Typed, store: Store) -> None:
    typed("tune", "first", "--runs", 2, "--tuner", "Random")
    work(store)

    answer = typed("tune", "--resume", 1, "--runs", 2, expect=ExitCode.USAGE)

    assert answer.err == ("error: search 1 would end at once: all 2 runs have been proposed; name a "
                          "larger budget, as in 102 runs\n")
    assert store.get_search(1).state is SearchState.ENDED


def test_a_class_that_cannot_be_searched_is_listed(typed: Typed, growing: ProjectFolder) -> None:
    things = (growing.package / "things.py").read_text(encoding="utf-8")
    growing.write("things.py", things + "\n\n@dataclass\nclass Wood(Model):\n    trees: list[Model]\n")

    page = typed("tune", "first", "--runs", 2, "--tuner", "Random", "--dry-run").out

    left_out = page.partition("Left out\n")[2].split()
    assert left_out[:2] == ["model", "Wood"] and "trees" in page.partition("Left out\n")[2]
