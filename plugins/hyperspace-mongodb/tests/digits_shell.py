"""Run the digits example from the shell, with workers that wait for work."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

PATIENCE_S = 240.0


def command(url: str, *words: str) -> list[str]:
    return [sys.executable, "-P", "-m", "hyperspace_core", *words, "--project", "digits", "--storage", url]


@contextmanager
def waiting_workers(url: str, count: int) -> Iterator[list[subprocess.Popen[str]]]:
    """This many workers, all ready; killed at the end if they still run."""
    pytest.importorskip("digits_study")
    # processes whose threads each use all cores would wait for one another
    env = os.environ | {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    started = [subprocess.Popen(command(url, "worker"), stdout=subprocess.PIPE, text=True, env=env)
               for _ in range(count)]
    try:
        for worker in started:
            assert worker.stdout is not None and "waits for runs of " in worker.stdout.readline()
        yield started
    finally:
        for worker in started:
            if worker.poll() is None:
                worker.kill()
            if worker.stdout is not None and not worker.stdout.closed:
                worker.communicate()
