"""A project whose runs compute a formula, so that they are fast, and its study."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from formula_project import FILES
from pytest_hyperspace.project import ProjectFolder


@pytest.fixture
def project(hyperspace_project: Callable[..., ProjectFolder]) -> ProjectFolder:
    return hyperspace_project(FILES, name="formula")


@pytest.fixture
def folder(project: ProjectFolder) -> ProjectFolder:
    return project


@pytest.fixture
def url(hyperspace_storage: str) -> str:
    return hyperspace_storage
