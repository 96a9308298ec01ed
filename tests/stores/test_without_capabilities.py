"""A store without capabilities does the main job; what it cannot do is one line."""

from __future__ import annotations

import os
from collections.abc import Callable
from itertools import count
from pathlib import Path

import pytest

from hyperspace_core.cli.main import run as hyperspace
from hyperspace_core.errors import ExitCode
from pytest_hyperspace.project import ProjectFolder

PROJECT = "rates"
FILES = {"hyperspace.py": """
    from typing import Annotated

    from hyperspace_core import hookimpl
    from hyperspace_core.ranges import Float

    def train(rate: Annotated[float, Float(0.1, 1.0)] = 0.5):
        return 1 / rate

    @hookimpl
    def hyperspace_register(register):
        register.scenario(train)
    """}
NUMBERS = count(1)

Typed = Callable[..., tuple[int, str, str]]


@pytest.fixture
def typed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
          hyperspace_project: Callable[..., ProjectFolder]) -> Typed:
    """Type a command about the project `rates` on a new store in memory, in this process."""
    hyperspace_project(FILES, name=PROJECT)
    info = tmp_path / "plugin" / "memory_store-0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: memory-store\nVersion: 0\n")
    (info / "entry_points.txt").write_text("[hyperspace.plugins]\nmemory_store = memory_store\n")
    monkeypatch.syspath_prepend(str(info.parent))
    monkeypatch.setenv("HYPERSPACE_PROJECT", PROJECT)
    monkeypatch.setenv("HYPERSPACE_STORAGE", f"memory://{next(NUMBERS)}")

    def one(*words: object, expect: int | None = 0) -> tuple[int, str, str]:
        capsys.readouterr()
        code = hyperspace([str(word) for word in words])
        answer = (code, *capsys.readouterr())
        assert expect is None or code == expect, answer
        assert "Traceback" not in answer[2], answer
        return answer

    return one


def test_the_main_job_works_without_capabilities(typed: Typed, tmp_path: Path) -> None:
    typed("submit", "train", "--grid", "rate=0.25,0.5,1")
    typed("worker", "--drain")
    _, status, _ = typed("status")
    _, results, _ = typed("results", "train")
    typed("rerun", 1, "-s", "rate=0.2")
    typed("worker", "--drain")
    _, listed, _ = typed("runs", "list")
    _, shown, _ = typed("runs", "show", 4)
    typed("runs", "diff", 1, 4)
    typed("runs", "export", 4, "--to", tmp_path / "export")
    typed("store", "info")

    assert "3 completed" in status
    assert [row.split()[:2] for row in results.splitlines()[1:]] == [["1", "4"], ["2", "2"], ["3", "1"]]
    assert listed.count("COMPLETED") == 4
    assert "0.2" in shown
    assert (tmp_path / "export").is_dir()


def test_pinned_code_is_a_warning_in_a_store_without_sources(typed: Typed) -> None:
    _, _, report = typed("submit", "train", "-s", "rate=0.5")

    assert "the code is not pinned: memory://" in report
    assert "cannot keep source code; each run executes its worker's installed code" in report


@pytest.mark.parametrize(("words", "ability"), [
    (("tune", "train", "--runs", 2), "keep searches"),
    (("tune", "train", "--runs", 2, "--dry-run"), "keep searches"),
    (("tune", "--resume", 1), "keep searches"),
    (("searches",), "keep searches"),
    (("searches", "show", 1), "keep searches"),
    (("runs", "list", "--search", 1), "keep searches"),
    (("queue", "cancel", "--search", 1), "keep searches"),
    (("store", "check"), "be checked, upgraded, cleaned up or copied into"),
    (("store", "gc"), "be checked, upgraded, cleaned up or copied into"),
], ids=lambda value: " ".join(map(str, value))[:40] if isinstance(value, tuple) else "")
def test_a_command_says_what_the_store_cannot_do(typed: Typed, words: tuple[object, ...],
                                                 ability: str) -> None:
    typed("submit", "train", "-s", "rate=0.5")
    code, out, report = typed(*words, expect=None)

    line, = report.splitlines()
    assert code == ExitCode.STORE
    assert line.startswith("error: memory://")
    assert line.endswith(f": this store cannot {ability}; use one that can, such as sqlite:///FILE")
    assert out == ""


def test_runs_of_a_search_need_a_target_that_keeps_searches(typed: Typed, tmp_path: Path) -> None:
    home = f"sqlite:///{tmp_path}/runs.db"
    typed("tune", "train", "--runs", 2, "--tuner", "Random", "--storage", home)
    typed("worker", "--drain", "--storage", home)

    _, _, report = typed("store", "copy", home, os.environ["HYPERSPACE_STORAGE"], expect=None)

    assert "this store cannot keep searches; use one that can" in report.splitlines()[-1]
