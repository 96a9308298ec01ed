"""`study.progress()`: the queue at a prompt and in a notebook, redrawn until it is empty."""

from __future__ import annotations

import math
import os
import signal
import threading
from pathlib import Path
from typing import Any

import pytest

from hyperspace_core import Study
from hyperspace_core.errors import UsageError
from hyperspace_core.records.states import State
from hyperspace_core.results.overview import QueueProgress
from support.behaving import until
from support.learners import Drain, number


def test_progress_shows_the_queue_as_it_is_when_it_is_shown(study: Study) -> None:
    progress = study.progress()
    assert "no runs" in repr(progress)
    study.submit("first", repeats=2)

    assert "2 queued" in repr(progress) and "2 of first wait: no worker is running" in repr(progress)
    assert "2 queued" in progress._repr_html_()


def test_a_running_run_has_a_bar_and_its_note_is_escaped(study: Study, url: str, tmp_path: Path) -> None:
    go = tmp_path / "go"
    with Study("lab", url) as elsewhere:
        run = threading.Thread(target=lambda: elsewhere.run("first", {"wait": str(go)}, echo=False))
        run.start()
        try:
            until(lambda: "25% (1 of 4)" in repr(study.progress()), "progress in the store")
            html = study.progress()._repr_html_()
            text = repr(study.progress())
        finally:
            go.touch()
            run.join(30)

    assert '<progress value="0.250" max="1"></progress>' in html
    assert "waiting &lt;b&gt;" in html and "<b>" not in html
    assert "run 1 first [#####...............] 25% (1 of 4)" in text and "waiting <b>" in text


def test_watching_ends_when_nothing_is_queued_or_running(
        study: Study, drain: Drain, capsys: pytest.CaptureFixture[str]) -> None:
    study.submit("first", {"rate": 0.5}, repeats=2)
    watcher = threading.Thread(target=lambda: study.progress().watch(interval_s=0.01))
    watcher.start()
    threads = threading.active_count()
    drain(isolation="warm")            # an inline run would capture the output of this process
    watcher.join(30)

    assert not watcher.is_alive()
    assert threading.active_count() < threads
    lines = capsys.readouterr().out.splitlines()
    assert "2 queued" in lines[0]
    assert "best of first: run 1, score 50" in lines
    assert "2 completed" in [line for line in lines if line.startswith("lab on ")][-1]


def test_what_stays_the_same_is_printed_once(study: Study, capsys: pytest.CaptureFixture[str]) -> None:
    run = number(study.submit("first"))
    looked = []

    def look() -> Any:
        looked.append(study.overview())
        if len(looked) == 5:
            study.queue.cancel(run)
        return looked[-1]

    QueueProgress(look).watch(interval_s=0.001)

    lines = capsys.readouterr().out.splitlines()
    assert len(looked) == 6
    assert [("1 queued" in line, "1 cancelled" in line) for line in lines] == [
        (True, False), (False, False), (False, True)]


def test_ctrl_c_ends_the_watching_and_nothing_else(study: Study) -> None:
    study.submit("first")

    def look() -> Any:
        os.kill(os.getpid(), signal.SIGINT)
        return study.overview()

    QueueProgress(look).watch(interval_s=30)

    assert study.get(1).state is State.QUEUED


@pytest.mark.parametrize("interval", [0, -1, math.nan])
def test_an_interval_that_cannot_be_waited_for_is_refused(study: Study, interval: float) -> None:
    with pytest.raises(UsageError, match="interval_s: expected seconds > 0"):
        study.progress().watch(interval)


def test_a_notebook_s_cell_is_drawn_over_until_the_end(study: Study, url: str) -> None:
    """In a real kernel, where the notebook packages are installed."""
    pytest.importorskip("ipykernel")
    nbformat, nbclient = pytest.importorskip("nbformat"), pytest.importorskip("nbclient")
    study.submit("first")
    cell = nbformat.v4.new_code_cell(
        f"from hyperspace_core import Study\n"
        f"from hyperspace_core.results.overview import QueueProgress\n"
        f"study, looks = Study('lab', {url!r}), []\n"
        f"def look():\n"
        f"    looks.append(study.overview())\n"
        f"    if len(looks) == 3:\n"
        f"        study.queue.cancel(1)\n"
        f"    return looks[-1]\n"
        f"QueueProgress(look).watch(0.01)")
    notebook = nbformat.v4.new_notebook(cells=[cell])
    nbclient.NotebookClient(notebook, kernel_name="python3").execute()

    drawn, = notebook.cells[0].outputs
    assert drawn["output_type"] == "display_data"
    assert "1 cancelled" in drawn["data"]["text/html"] and "1 cancelled" in drawn["data"]["text/plain"]
