"""`hyperspace submit`."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hyperspace_core.execution.identity import this_process
from hyperspace_core.records.filter import ORDER_OLDEST, RunFilter
from hyperspace_core.records.run import RunRecord, WorkerInfo
from hyperspace_core.stores.sqlite import open_store
from support.behaving import until
from support.commands import COMMAND, Answer
from support.editing import Editing
from support.growing import PROJECT

pytestmark = pytest.mark.usefixtures("growing")
Typed = Callable[..., Answer]


def stored(url: str) -> list[RunRecord]:
    with open_store(url) as store:
        return list(store.find(RunFilter(project=PROJECT), order=ORDER_OLDEST))


# -- one config ----------------------------------------------------------------------------------------------


def test_a_config_is_completed_and_queued(typed: Typed, url: str) -> None:
    answer = typed("submit", "first", "--set", "model=Tree", "--set", "model.depth=7")

    assert answer.out == "queued run 1 of first\n"
    record, = stored(url)
    assert record.submitted == {"model": {"className": "Tree", "depth": 7}}
    assert record.config == {"model": {"className": "Tree", "depth": 7, "split": "best"}, "noise": 0.0,
                             "layers": [1, 2]}
    assert (record.seed, record.scenario) == (5, {"className": "Grow", "rows": 20})


def test_set_changes_the_config_of_a_file(typed: Typed, url: str, tmp_path: Path) -> None:
    file = tmp_path / "config.json"
    file.write_text('{"model": {"className": "Tree", "depth": 4}, "noise": 0.5, "layers": [3]}')

    typed("submit", "first", "--config", file, "--set", "noise=0.25")

    assert stored(url)[0].submitted == {"model": {"className": "Tree", "depth": 4}, "noise": 0.25,
                                        "layers": [3]}


def test_an_item_of_a_list_is_set_by_its_number(typed: Typed, url: str, tmp_path: Path) -> None:
    file = tmp_path / "config.json"
    file.write_text('{"layers": [3, 4]}')

    typed("submit", "first", "--config", file, "--set", "layers.1=5")
    typed("submit", "first", "--config", file, "--grid", "layers.0=7,8")

    assert [record.submitted for record in stored(url)] == [
        {"layers": [3, 5]}, {"layers": [7, 4]}, {"layers": [8, 4]}]
    assert typed("submit", "first", "--config", file, "--set", "layers.2=5", expect=3).err == (
        "error: `layers.2`: the list has 2 items, 0 to 1; write the whole list to lengthen it\n")


def test_a_grid_varies_values_of_the_config(typed: Typed, url: str, tmp_path: Path) -> None:
    file = tmp_path / "config.json"
    file.write_text('{"model": {"className": "Tree", "depth": 2}, "noise": 0.5, "layers": [3]}')

    typed("submit", "first", "--config", file, "--grid", "noise=0.25,0.75", "--grid", "model.depth=4")
    typed("submit", "first", "--config", file, "--grid", "model=Tree,Line", "--grid", "layers=[1],[2, 3]")

    rest = {"noise": 0.5}
    assert [record.submitted for record in stored(url)] == [
        {"model": {"className": "Tree", "depth": 4}, "noise": noise, "layers": [3]} for noise in (0.25, 0.75)
    ] + [{"model": model, **rest, "layers": layers} for model in ("Tree", "Line") for layers in ([1], [2, 3])]


def test_a_config_may_come_from_stdin(url: str) -> None:
    subprocess.run([*COMMAND, "submit", "first", "--config", "-"], input='{"noise": 0.75}', text=True,
                   check=True, capture_output=True)

    assert stored(url)[0].submitted == {"noise": 0.75}


def test_submit_options_are_stored(typed: Typed, url: str) -> None:
    typed("submit", "second", "--repeats", 2, "--seed", 40, "--priority", -3, "--tag", "a", "--tag", "b",
          "--note", "why", "--retries", 2)

    first, second = stored(url)
    assert (first.seed, second.seed) == (40, 41)
    assert (first.priority, first.tags, first.note, first.max_failures) == (-3, ("a", "b"), "why", 2)


def test_a_task_of_tasks_dir_is_submitted(typed: Typed, url: str, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "third.json").write_text('{"scenario": {"className": "Grow", "rows": 3}}')

    typed("submit", "third", "--tasks-dir", tmp_path / "mine")

    assert stored(url)[0].scenario == {"className": "Grow", "rows": 3}


# -- grids ---------------------------------------------------------------------------------------------------


def test_every_combination_of_a_grid_is_queued_in_its_order(typed: Typed, url: str) -> None:
    answer = typed("submit", "first", "--grid", "model=Tree,Line", "--grid", "noise=0,1")

    assert answer.out == "queued 4 runs of first: 1 to 4\n"
    assert [record.submitted for record in stored(url)] == [
        {"model": model, "noise": noise} for model in ("Tree", "Line") for noise in (0, 1)]


def test_set_applies_to_the_whole_grid(typed: Typed, url: str) -> None:
    typed("submit", "first", "--set", "layers=[4, 5]", "--set", "model=Tree", "--grid", "model.depth=1,2")

    assert [record.submitted for record in stored(url)] == [
        {"layers": [4, 5], "model": {"className": "Tree", "depth": depth}} for depth in (1, 2)]


def test_a_list_given_to_set_is_a_value_not_alternatives(typed: Typed) -> None:
    line = typed("submit", "first", "--set", "noise=[1, 2]", "--grid", "model=Tree,Line", expect=3).err

    assert "`noise`: expected float, found list [1, 2]" in line


def test_a_grid_file_with_a_grid_option(typed: Typed, url: str, tmp_path: Path) -> None:
    file = tmp_path / "grid.json"
    file.write_text('{"model": [{"className": "Tree", "depth": [1, 2]}, "Line"]}')

    typed("submit", "first", "--grid-file", file, "--grid", "seed=7,8")

    assert [(record.submitted["model"], record.seed) for record in stored(url)] == [
        (model, seed)
        for model in ({"className": "Tree", "depth": 1}, {"className": "Tree", "depth": 2}, "Line")
        for seed in (7, 8)]


def test_one_bad_combination_queues_nothing(typed: Typed, url: str) -> None:
    line = typed("submit", "first", "--grid", "noise=1,2,much", expect=3).err

    assert line == "error: `noise`: expected float, found str 'much'\n"
    assert stored(url) == []


# -- dry runs -----------------------------------------------------------------------------------------------


def test_a_dry_run_marks_defaults_and_creates_no_store(typed: Typed, url: str) -> None:
    answer = typed("submit", "first", "--set", "model=Tree", "--set", "noise=1", "--dry-run")

    assert answer.lines == [
        "would queue 1 run of first, seed 5",
        "  model: Tree",
        "    depth: 3  (default)",
        "    split: best  (default)",
        "  noise: 1.0",
        "  layers: [1, 2]  (default)",
    ]
    assert not Path(url.removeprefix("sqlite:///")).exists()


def test_a_dry_run_of_a_grid_shows_each_config_and_their_number(typed: Typed) -> None:
    answer = typed("submit", "first", "--grid", "model=Tree,Line", "--repeats", 2, "--dry-run")

    assert answer.lines[0] == "would queue 4 runs of first"
    assert answer.columns[1:] == [
        ["seed", "written", "defaults"],
        ["5", "model=Tree", "model.depth=3 model.split=best noise=0 layers=[1, 2]"],
        ["6", "model=Tree", "model.depth=3 model.split=best noise=0 layers=[1, 2]"],
        ["5", "model=Line", "model.slope=1 noise=0 layers=[1, 2]"],
        ["6", "model=Line", "model.slope=1 noise=0 layers=[1, 2]"],
    ]


def test_a_dry_run_of_a_large_grid_shows_its_beginning(typed: Typed) -> None:
    numbers = ",".join(map(str, range(30)))

    answer = typed("submit", "first", "--grid", f"noise={numbers}", "--grid", f"seed={numbers}", "--dry-run")

    assert answer.lines[0] == "would queue 900 runs of first"
    assert len(answer.lines) == 1 + 1 + 20 + 1
    assert answer.lines[-1] == "… and 880 more"


def test_json_gives_the_ids_or_with_dry_run_the_runs(typed: Typed) -> None:
    assert [run["config"]["noise"] for run in typed("submit", "first", "--grid", "noise=1,2", "--dry-run",
                                                    "--json").json] == [1.0, 2.0]
    assert typed("submit", "first", "--grid", "noise=1,2", "--json").json == [1, 2]


# -- existing runs ------------------------------------------------------------------------------------------


def test_existing_runs_give_a_warning_or_are_skipped(typed: Typed, url: str) -> None:
    typed("submit", "first", "--grid", "noise=1,2")

    assert "warning: 1 run exists already with the same config, seed and code; --skip-existing skips " in (
        typed("submit", "first", "--grid", "noise=2,3").err)
    answer = typed("submit", "first", "--grid", "noise=1,2,3,4", "--skip-existing")
    assert answer.out == "queued run 5 of first\n"
    assert "3 of 4 exist already with the same config, seed and code, and are left out" in answer.err


def test_failed_and_cancelled_runs_do_not_count_as_existing(typed: Typed, url: str) -> None:
    typed("submit", "first", "--set", "noise=1")
    with open_store(url) as store:
        store.cancel(1)

    assert typed("submit", "first", "--set", "noise=1", "--skip-existing").out == "queued run 2 of first\n"


def test_skip_existing_warns_if_the_seed_is_random(typed: Typed) -> None:
    typed("submit", "second")

    again = typed("submit", "second", "--grid", "noise=0,1", "--skip-existing")

    assert again.out == "queued 2 runs of second: 2, 3\n"
    assert again.err.startswith("warning: task 'second' has no seed, so a new one is drawn and no run is "
                                "skipped; give one with --seed\n")
    assert "warning" not in typed("submit", "second", "--seed", 7, "--skip-existing").err


def test_equal_configs_in_one_grid_are_found(typed: Typed) -> None:
    assert "1 run exists already" in typed("submit", "first", "--grid", "noise=1,1.0").err
    assert typed("submit", "first", "--grid", "noise=5,5.0", "--skip-existing", "--json").json == [3]


def test_a_run_on_other_code_does_not_count_as_existing(typed: Typed, editing: Editing) -> None:
    editing.run("--set", "noise=1")
    assert "1 of 2 exists already with the same config, seed and code, and is left out" in typed(
        "submit", "first", "--grid", "noise=1,2", "--skip-existing", "--dry-run").err

    editing.edit(('"depth", 0) + noise', '"depth", 1) + noise'))

    assert typed("submit", "first", "--set", "noise=1").err.startswith("code pinned")
    answer = typed("submit", "first", "--grid", "noise=1,2", "--skip-existing")
    assert answer.out == "queued run 3 of first\n"
    assert "1 of 2 exists already" in answer.err           # it waits, and will run on the new code


def test_a_dry_run_skips_existing_runs(typed: Typed) -> None:
    typed("submit", "first", "--set", "noise=1")

    answer = typed("submit", "first", "--grid", "noise=1,2", "--dry-run", "--skip-existing")

    assert answer.lines[0] == "would queue 1 run of first, seed 5"


# -- workers -------------------------------------------------------------------------------------------------


def test_a_hint_names_the_worker_command_if_none_runs(at_terminal: Callable[..., Any], url: str) -> None:
    terminal = at_terminal("submit", "first")

    assert terminal.ended() == 0
    assert "no worker is running; start one: hyperspace worker\n" in terminal.text


def test_the_command_of_the_hint_works_as_typed(at_terminal: Callable[..., Any], url: str, tmp_path: Path,
                                                monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HYPERSPACE_PROJECT")
    store = f"sqlite:///{tmp_path}/an other.db"

    terminal = at_terminal("submit", "first", "--project", PROJECT, "--storage", store, columns=300)

    assert terminal.ended() == 0
    assert f"start one: hyperspace worker --project {PROJECT} --storage '{store}'\n" in terminal.text


def test_no_hint_if_a_worker_is_running(at_terminal: Callable[..., Any], url: str) -> None:
    with open_store(url) as store:
        store.present(WorkerInfo(owner=this_process("me"), project=PROJECT))

        terminal = at_terminal("submit", "first")

        assert terminal.ended() == 0
        assert "worker" not in terminal.text


def test_a_pipe_gets_the_result_and_the_pinned_code(typed_apart: Typed) -> None:
    answer = typed_apart("submit", "first")

    assert answer.out == "queued run 1 of first\n"
    assert re.fullmatch(r"code pinned: growing: \d+ files \(.* kB\), the project's code is in no git "
                        r"repository\n", answer.err)


# -- many ----------------------------------------------------------------------------------------------------


def test_a_large_grid_has_a_bar_on_a_terminal(at_terminal: Callable[..., Any], url: str) -> None:
    numbers = ",".join(map(str, range(50)))

    terminal = at_terminal("submit", "first", "--grid", f"noise={numbers}", "--grid", f"seed={numbers}")

    assert terminal.ended() == 0
    assert "queueing" in terminal.text
    assert "queued 2,500 runs of first: 1 to 2500" in terminal.text


def test_ctrl_c_leaves_whole_batches_and_says_how_many(at_terminal: Callable[..., Any], url: str) -> None:
    numbers = ",".join(map(str, range(200)))
    terminal = at_terminal("submit", "first", "--yes", "--grid", f"noise={numbers}",
                           "--grid", f"seed={numbers}", columns=200)
    with open_store(url) as store:
        until(lambda: store.ids(PROJECT), "a first batch")

        terminal.interrupt()

        assert terminal.ended() == 130
        there = sum(store.count(RunFilter(project=PROJECT)).values())
    assert 0 < there < 40_000
    assert there % 1000 == 0
    assert f"error: interrupted: {there:,} of 40,000 runs are queued" in terminal.text
