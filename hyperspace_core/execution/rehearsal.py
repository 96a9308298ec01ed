"""Warm up a preforked process by an internal run, before there is a job.

A forked process copies each memory page on its first write: the first pass through any code is many times
slower than the second. A preforked process makes the first pass while it waits.
"""

from __future__ import annotations

import os
import tempfile
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

from hyperspace_core.execution.channel import ChannelSink
from hyperspace_core.execution.executor import execute
from hyperspace_core.execution.job import Job, decode, encode
from hyperspace_core.run import Run
from hyperspace_core.sink import Section

if TYPE_CHECKING:
    from hyperspace_core.extension.manager import Extensions
    from hyperspace_core.extension.project import Project


def rehearse() -> None:
    """Execute a small internal run, without user code and plugins."""
    job = Job(run=0, uid="", attempt=0, project="", task="", scenario={"className": "Rehearsal"},
              config={"value": 1.0}, submitted={}, metric_name="result", metric_goal="maximize", seed=0,
              validated=True, tasks_dir=None, no_plugins=(), workdir=tempfile.gettempdir())
    reader, writer = os.pipe()
    try:
        sink = ChannelSink(writer)
        execute(decode(encode(job)), sink, cast("Extensions", _Extensions()), cast("Project", _Project()),
                on_run=lambda run: None)
        sink.close()
    finally:
        os.close(reader)


class _Project:
    def complete(self, scenario: Any, config: Any) -> Any:
        return config

    def build_scenario(self, tree: Any) -> Any:
        return SimpleNamespace()

    def build_arguments(self, scenario: Any, config: Any, run: Run) -> Any:
        return config


class _Extensions:
    def __init__(self) -> None:
        self.hook = SimpleNamespace(hyperspace_seed=lambda seed: None, hyperspace_execute=_executed)

    def each(self, name: str, **arguments: Any) -> Any:
        return [("rehearsal", Section("rehearsal", {"text": "", "number": 1}))]

    def observers(self, name: str, **arguments: Any) -> None:
        pass


def _executed(run: Run, scenario: Any) -> Any:
    run.log_scalar("value", 1.0, 0)
    run.info["value"] = [1, 2.0, "three"]
    run.progress(1, 2)
    return {"result": 1.0}
