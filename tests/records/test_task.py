"""Parsing of tasks: any content gives a task or a readable problem.

Messages, names and files are tested with projects (`tests/extension`).
"""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, strategies as st

from hyperspace_core.errors import TaskError
from hyperspace_core.records.run import Metric
from hyperspace_core.records.task import check_task_name, parse_task

LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=6)
JSON = st.recursive(LEAVES, lambda inner: st.lists(inner, max_size=3)
                    | st.dictionaries(st.text(max_size=6), inner, max_size=3), max_leaves=6)
KEYS = st.sampled_from(["scenario", "Scenario", "metric", "seed", "Seed", "className", "name", "goal", "x"])
TASKS = st.dictionaries(KEYS, JSON | st.dictionaries(KEYS, JSON, max_size=3), max_size=4)


@given(JSON | TASKS)
def test_any_json_gives_a_task_or_one_line_problems(tree: Any) -> None:
    try:
        task = parse_task("t", tree, "t.json")
    except TaskError as error:
        assert all(line.startswith("t.json: ") for line in str(error).split("\n"))
    else:
        assert task.name == "t" and task.origin == "t.json"
        assert isinstance(task.scenario["className"], str)
        assert task.metric.goal in ("maximize", "minimize")
        assert task.seed is None or 0 <= task.seed < 2**32


@given(st.text(max_size=120))
def test_any_name_is_plain_ascii_or_refused_in_plain_ascii(name: str) -> None:
    try:
        assert check_task_name(name).isascii()
    except TaskError as error:
        assert str(error).replace("…", "").isascii() and "\n" not in str(error)


@given(st.dictionaries(st.sampled_from(["a", "b"]), JSON, max_size=2),
       st.sampled_from(["maximize", "minimize"]), st.integers(0, 2**32 - 1))
def test_a_task_written_out_is_read_back(parameters: dict[str, Any], goal: Any, seed: int) -> None:
    scenario = {"className": "Holdout"} | parameters
    written = json.dumps({"scenario": scenario, "metric": {"name": "loss", "goal": goal}, "seed": seed})

    task = parse_task("t", json.loads(written))

    assert json.dumps(task.scenario, sort_keys=True) == json.dumps(scenario, sort_keys=True)
    assert (task.metric, task.seed) == (Metric(name="loss", goal=goal), seed)


@pytest.mark.parametrize("seed", [2**32, 0.0, "7", [7], pytest.param(10**5000, id="5001 digits")])
def test_b16_an_invalid_seed_is_refused(seed: object) -> None:
    with pytest.raises(TaskError, match="`seed`: expected a whole number from 0 to 4294967295, found"):
        parse_task("t", {"scenario": "Holdout", "seed": seed})
