"""A project whose runs compute a formula, so that they are fast, and its study."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from formula_project import FILES
from hyperspace_core.study import Study
from pytest_hyperspace.project import ProjectFolder, make_project

TESTS = Path(__file__).parents[3] / "tests"
# a loaded machine is no failure
settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")

# the functions that the benchmark tunes, and what core's tests share: workers, commands, classes of all kinds
sys.path += [str(TESTS / "bench" / "tuning"), str(TESTS)]

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):     # see core's tests
    os.environ.setdefault(name, "1")
signal.signal(signal.SIGINT, signal.default_int_handler)

@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ProjectFolder:
    made = make_project(tmp_path / "formula", name="formula", files=FILES)
    made.activate(monkeypatch)
    return made


@pytest.fixture
def folder(project: ProjectFolder) -> ProjectFolder:
    return project


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/runs.db"


@pytest.fixture
def study(folder: ProjectFolder, url: str) -> Iterator[Study]:
    with Study("formula", url) as opened:
        yield opened
