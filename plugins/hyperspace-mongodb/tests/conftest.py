from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

# core's fixtures: a project with given behaviour, workers as processes
sys.path.append(str(Path(__file__).parents[3] / "tests"))

from worker.scene import FILES, PROJECT

from hyperspace_mongodb.testing.fixtures import *  # noqa: F403 - fixtures are found by their names
from pytest_hyperspace.project import ProjectFolder

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):     # see core's tests
    os.environ.setdefault(name, "1")
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def own_folders(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Use temporary folders instead of the user's, except for the cache that holds the test server."""
    folder = tmp_path_factory.mktemp("folders")
    for name in [name for name in os.environ if name.startswith("HYPERSPACE_") and "TEST" not in name]:
        monkeypatch.delenv(name)
    for kind in ("DATA", "STATE", "CONFIG"):
        monkeypatch.setenv(f"XDG_{kind}_HOME", str(folder / kind.lower()))
    return folder


@pytest.fixture
def project(hyperspace_project: Callable[..., ProjectFolder]) -> ProjectFolder:
    """The project "behaving" of core's own tests, installed for this test and what it starts."""
    return hyperspace_project(FILES, name=PROJECT)
