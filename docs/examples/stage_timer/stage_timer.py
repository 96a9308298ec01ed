"""Time the five stages of each pipeline and record the seconds with the run.

After a run, `run.info["stage_seconds"]` holds one number for each stage, and the metric
`stage_seconds/<stage>` makes runs comparable by it. A stage that raises is timed, too.
"""

from __future__ import annotations

import time
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from typing import Any

from hyperspace_core import Run, hookimpl

# for pluggy: code before `yield` runs before the stage, code after it runs after the stage
Wrapper = Generator[None, Any, Any]


@contextmanager
def _timed(run: Run, stage: str) -> Iterator[None]:
    began = time.perf_counter()
    try:
        yield
    finally:
        seconds = time.perf_counter() - began
        run.info["stage_seconds"] = {**run.info.get("stage_seconds", {}), stage: seconds}
        run.log_scalar(f"stage_seconds/{stage}", seconds)


@hookimpl(wrapper=True)
def hyperspace_load_data(run: Run) -> Wrapper:
    with _timed(run, "load_data"):
        return (yield)


@hookimpl(wrapper=True)
def hyperspace_preprocess(run: Run) -> Wrapper:
    with _timed(run, "preprocess"):
        return (yield)


@hookimpl(wrapper=True)
def hyperspace_build_model(run: Run) -> Wrapper:
    with _timed(run, "build_model"):
        return (yield)


@hookimpl(wrapper=True)
def hyperspace_train(run: Run) -> Wrapper:
    with _timed(run, "train"):
        return (yield)


@hookimpl(wrapper=True)
def hyperspace_score(run: Run) -> Wrapper:
    with _timed(run, "score"):
        return (yield)
