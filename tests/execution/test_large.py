"""Values too large for a record become artifacts."""

from __future__ import annotations

import json
import math

from hyperspace_core.execution.result import LIMIT, TOTAL_LIMIT, BoundedInfo, bounded_result
from hyperspace_core.run import Info, Memory, Run


def a_run(tmp_path):
    memory = Memory()
    run = Run(sink=memory, seed=0, workdir=tmp_path)
    run.info = Info(BoundedInfo(memory, tmp_path))
    return run, memory


def test_small_info_goes_through(tmp_path):
    run, memory = a_run(tmp_path)
    run.info["folds"] = [1, 2, 3]
    assert memory.infos == {"folds": [1, 2, 3]}
    assert not memory.artifacts


def test_two_and_a_half_million_floats_are_kept_as_an_artifact(tmp_path):
    run, memory = a_run(tmp_path)
    values = [float(i) for i in range(2_500_000)]
    values[1] = math.inf
    run.info["predictions"] = values
    assert memory.infos["predictions"] == "22.5 MB, kept as the artifact info/predictions.json"
    assert json.loads(memory.artifacts["info/predictions.json"].read_text()) == values


def test_keys_that_are_no_file_names_get_unique_labels(tmp_path):
    run, memory = a_run(tmp_path)
    for key in ("a/b", "a_b", "a b", "../x"):
        run.info[key] = "y" * (LIMIT + 1)
    assert len(memory.artifacts) == 4
    assert all(name.count("/") == 1 and ".." not in name for name in memory.artifacts)


def test_the_total_size_of_info_is_bounded(tmp_path):
    run, memory = a_run(tmp_path)
    for i in range(2 * TOTAL_LIMIT // LIMIT + 2):
        run.info[f"k{i}"] = "z" * (LIMIT // 2)
    assert sum(len(value) for value in memory.infos.values()) <= TOTAL_LIMIT
    assert set(memory.artifacts) == {f"info/{key}.json" for key in ("k15", "k16", "k17")}


def test_only_changed_info_is_sent_again(tmp_path):
    run, memory = a_run(tmp_path)
    sent = []
    memory.emit = lambda message: sent.append((message.key, list(message.value)))
    run.info["a"], run.info["b"] = [1], [2]
    run.info["a"].append(3)
    run.info.update(run.info)
    assert sent == [("a", [1]), ("b", [2]), ("a", [1, 3])]


def test_a_small_result_stays_in_the_record(tmp_path):
    memory = Memory()
    assert bounded_result(memory, tmp_path, "a", {"a": 1.0, "b": 2.0}) == {"a": 1.0, "b": 2.0}
    assert not memory.artifacts


def test_a_huge_result_becomes_an_artifact_and_its_metric(tmp_path):
    memory = Memory()
    metrics = {f"metric_{i}": float(i) for i in range(100_000)}
    assert bounded_result(memory, tmp_path, "metric_7", metrics) == {"metric_7": 7.0}
    assert json.loads(memory.artifacts["result.json"].read_text()) == metrics
    assert "limit 1.0 MB" in memory.infos["result_omitted"]
