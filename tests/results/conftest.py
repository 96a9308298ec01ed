"""A project that changes between two openings, on one store."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from hyperspace_core.study import Study
from pytest_hyperspace.project import ProjectFolder, forget, make_project

from .changing import FILES, PROJECT

Open = Callable[..., Study]


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/runs.db"


@pytest.fixture
def garden(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ProjectFolder:
    """The project, installed for this test."""
    folder = make_project(tmp_path / "garden", name=PROJECT, files=FILES)
    folder.activate(monkeypatch)
    return folder


@pytest.fixture
def opened(garden: ProjectFolder, url: str) -> Iterator[Open]:
    """Open the project after replacing files: `opened({"parts.py": text})`."""
    studies: list[Study] = []

    def one(files: Mapping[str, str] = {}) -> Study:
        for name, text in files.items():
            garden.write(name, text)
        forget(garden.package.name)
        studies.append(Study(PROJECT, url))
        return studies[-1]

    yield one
    for study in studies:
        study.close()
