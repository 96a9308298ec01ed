"""Tests that the project still works as a script."""

from __future__ import annotations

import difflib
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent.parent


def test_the_function_still_works() -> None:
    from diabetes import train

    assert 40 < train(trees=50) < 50


@pytest.mark.parametrize("script", ["original.py", "diabetes.py"])
def test_the_script_still_runs(script: str, tmp_path: Path) -> None:
    command = [sys.executable, str(HERE / script)]
    run = subprocess.run(command, capture_output=True, text=True, check=True, cwd=tmp_path)

    assert run.stdout.startswith("mean absolute error: 4")


def test_only_few_lines_differ_from_the_script() -> None:
    before, after = ((HERE / name).read_text().splitlines() for name in ("original.py", "diabetes.py"))
    changes = [line for line in difflib.unified_diff(before, after, lineterm="", n=0)
               if line[0] in "+-" and not line.startswith(("---", "+++"))]

    assert [line for line in changes if line.startswith("-")] == [
        "-def train(learning_rate=0.1, trees=100, depth=3, seed=0):",
    ]
    assert len([line for line in changes if len(line) > 1]) <= 6
