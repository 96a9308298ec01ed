"""The fixtures of core's tests of commands, with the project of `support.growing`."""

from __future__ import annotations

import pytest

from pytest_hyperspace.project import ProjectFolder
from support import growing as growing_project
from support.commands import growing, harness, store, typed, url

__all__ = ["growing", "harness", "project", "project_name", "store", "typed", "url"]


@pytest.fixture
def project_name() -> str:
    return growing_project.PROJECT


@pytest.fixture
def project(growing: ProjectFolder) -> ProjectFolder:
    return growing
