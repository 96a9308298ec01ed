"""Tune real handwritten digits from the shell; one of four workers is killed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("sklearn", exc_type=ImportError)
pytest.importorskip("digits_study")

RUNS = 16
SPACE = {"classifier": ["Linear", {"className": "Support", "C": {"float": [0.1, 100], "log": True}}]}


@pytest.fixture
def typed(tmp_path: Path) -> Any:
    """`hyperspace …` about the digits: what it prints, or with `wait=False` its process."""
    environment = os.environ | {"HYPERSPACE_PROJECT": "digits", "XDG_DATA_HOME": str(tmp_path / "data"),
                                "HYPERSPACE_STORAGE": f"sqlite:///{tmp_path}/runs.db",
                                "XDG_CACHE_HOME": str(tmp_path / "cache"), "PYTHONUNBUFFERED": "1"}

    def one(*arguments: str, wait: bool = True) -> Any:
        process = subprocess.Popen([sys.executable, "-P", "-m", "hyperspace_core", *arguments], text=True,
                                   cwd=tmp_path, env=environment, stdout=subprocess.PIPE)
        if not wait:
            return process
        out, _ = process.communicate(timeout=120)
        assert process.returncode == 0, out
        return out

    return one


@pytest.mark.timeout(240)
def test_four_workers_of_which_one_is_killed_tune_the_digits(typed: Any, tmp_path: Path) -> None:
    typed("tune", "holdout", "--runs", str(RUNS), "--space", json.dumps(SPACE))
    workers = [typed("worker", "--drain", wait=False) for _ in range(4)]
    assert any("started" in line for line in workers[0].stdout), "it has a run in its hands"
    workers[0].kill()

    said = [worker.communicate(timeout=200)[0] for worker in workers]

    assert [worker.returncode for worker in workers] == [-9, 0, 0, 0]
    assert sum("COMPLETED" in line for text in said for line in text.split("\n")) >= RUNS - 1
    (search,) = json.loads(typed("searches", "--json"))
    assert (search["state"], search["proposed"], search["repeats"]) == ("ENDED", RUNS, 0)
    runs = json.loads(typed("runs", "list", "--search", "1", "--limit", "100", "--json"))
    assert [run["state"] for run in runs] == ["COMPLETED"] * RUNS
    assert len({json.dumps(run["config"], sort_keys=True) for run in runs}) == RUNS
    assert {run["config"]["classifier"]["className"] for run in runs} == {"Linear", "Support"}
    best = max(sorted(runs, key=lambda run: run["id"]), key=lambda run: run["result"])
    assert best["result"] > 0.95
    typed("searches", "show", "1", "--best", str(tmp_path / "best.json"))
    assert json.loads((tmp_path / "best.json").read_text()) == best["config"]
    assert f'accuracy {best["result"]:g}' in typed("run", "holdout", "--config", str(tmp_path / "best.json"))
