"""A project that changes between two openings, on one store."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

import pytest

from hyperspace_core.study import Study
from pytest_hyperspace.project import ProjectFolder, forget
from support.garden import FILES, PROJECT

Open = Callable[..., Study]


@pytest.fixture
def garden(hyperspace_project: Callable[..., ProjectFolder]) -> ProjectFolder:
    return hyperspace_project(FILES, name=PROJECT)


@pytest.fixture
def opened(garden: ProjectFolder, url: str) -> Iterator[Open]:
    """Open the project after replacing files: `opened({"parts.py": text})`."""
    with openings(garden, url) as one:
        yield one


@contextmanager
def openings(folder: ProjectFolder, url: str) -> Iterator[Open]:
    """Opens a project again and again, with replaced files; closes all studies at the end."""
    studies: list[Study] = []

    def one(files: Mapping[str, str] = {}) -> Study:
        for name, text in files.items():
            folder.write(name, text)
        forget(folder.package.name)
        studies.append(Study(folder.name, url))
        return studies[-1]

    yield one
    for study in studies:
        study.close()
