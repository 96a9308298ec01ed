from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from hyperspace_mongodb.testing.fixtures import *  # noqa: F403 - fixtures are found by their names
from pytest_hyperspace.project import ProjectFolder
from support.behaving import FILES, PROJECT


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
