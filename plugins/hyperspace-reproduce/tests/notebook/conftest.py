"""The project, its study and a notebook."""

from __future__ import annotations

import linecache
import sys
from collections.abc import Callable, Iterator

import pytest

from greenhouse_notebook import FILES, NAME, Notebook
from hyperspace_core.study import Study
from pytest_hyperspace.project import ProjectFolder


@pytest.fixture
def project(hyperspace_project: Callable[..., ProjectFolder]) -> ProjectFolder:
    return hyperspace_project(FILES, name="greenhouse")


@pytest.fixture
def notebook(monkeypatch: pytest.MonkeyPatch, study: Study) -> Iterator[Notebook]:
    made = Notebook()
    monkeypatch.setitem(sys.modules, NAME, made.module)
    vars(made.module)["study"] = study
    yield made
    for number in range(made.count):
        linecache.cache.pop(f"<{NAME}-{number + 1}>", None)
