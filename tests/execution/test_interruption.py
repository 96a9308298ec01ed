"""Stop requests to user code."""

from __future__ import annotations

import pytest

from hyperspace_core.execution.process_io import Interruption
from hyperspace_core.run import Run, RunInterrupted


@pytest.fixture
def run(tmp_path):
    return Run.local(seed=0, workdir=tmp_path)


def test_user_code_is_interrupted_by_an_exception(run):
    interruption = Interruption()
    interruption.watch(run)
    with pytest.raises(RunInterrupted), interruption.user_code():
        interruption.ask()


def test_a_run_that_calls_should_stop_gets_no_exception(run):
    interruption = Interruption()
    interruption.watch(run)
    with interruption.user_code():
        assert not run.should_stop()
        interruption.ask()
        assert run.should_stop()


def test_nothing_is_raised_outside_user_code(run):
    interruption = Interruption()
    interruption.watch(run)
    interruption.ask()
    entered = False
    with pytest.raises(RunInterrupted), interruption.user_code():
        entered = True
    assert not entered
    interruption.ask()
