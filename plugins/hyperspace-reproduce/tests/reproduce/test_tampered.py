"""Verdict and cause of `reproduce` after one property of a past run was changed."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from draining import drained
from hyperspace_core.study import Study
from hyperspace_reproduce.replay import Likeness
from pytest_hyperspace.project import ProjectFolder

IDENTICAL, DIVERGED = Likeness.IDENTICAL, Likeness.DIVERGED


@dataclass(frozen=True, kw_only=True)
class Bench:
    """What a row may change."""

    project: ProjectFolder
    data: Path
    library: Callable[[str, float], None]
    file: Path                         # of the store

    def edit(self, name: str, old: str, new: str) -> None:
        path = self.project.package / name
        text = path.read_text()
        assert text.count(old) == 1, f"{old!r} stands {text.count(old)} times in {name}"
        self.project.write(name, text.replace(old, new))

    def sql(self, statement: str) -> None:
        with closing(sqlite3.connect(self.file)) as connection:
            assert connection.execute(statement).rowcount == 1
            connection.commit()


@pytest.fixture
def bench(project: ProjectFolder, data: Path, library: Any, tmp_path: Path) -> Bench:
    return Bench(project=project, data=data, library=library, file=tmp_path / "runs.db")


def config(bench: Bench) -> None:
    bench.sql("""UPDATE bodies SET config = replace(config, '"gain":2.0', '"gain":2.5')""")


def component(bench: Bench) -> None:
    bench.edit("components.py", "return scaled(x) * self.gain", "return scaled(x) * self.gain + 1")


def its_helper(bench: Bench) -> None:
    bench.edit("helper.py", "FACTOR = 3.0", "FACTOR = 4.0")


def other_component(bench: Bench) -> None:
    bench.edit("components.py", "return x * x", "return x * x * x")


def comment(bench: Bench) -> None:
    bench.edit("components.py", "return scaled(x) * self.gain", "return scaled(x) * self.gain  # first")


def package(bench: Bench) -> None:
    bench.library("1.1", 0.5)


def package_without_effect(bench: Bench) -> None:
    bench.library("1.1", 0.0)


def data_byte(bench: Bench) -> None:
    bench.data.write_text("1 2 3 5")


def seed(bench: Bench) -> None:
    bench.sql("UPDATE runs SET seed = 8")


def nothing(bench: Bench) -> None:
    pass


# change, executed code, verdict, kind of the likeliest cause
ROWS = [
    (nothing, "original", IDENTICAL, None),
    (nothing, "current", IDENTICAL, None),
    (config, "original", DIVERGED, "config"),
    (component, "original", IDENTICAL, None),
    (component, "current", DIVERGED, "component"),
    (its_helper, "original", IDENTICAL, None),
    (its_helper, "current", DIVERGED, "component"),
    (other_component, "current", IDENTICAL, "code"),
    (comment, "current", IDENTICAL, "code"),
    (package, "original", DIVERGED, "package"),
    (package_without_effect, "original", IDENTICAL, "package"),
    (data_byte, "original", DIVERGED, "data"),
    (seed, "original", DIVERGED, "seed"),
]


@pytest.mark.parametrize(("tamper", "code", "likeness", "cause"), ROWS,
                         ids=[f"{tamper.__name__}-{code}" for tamper, code, *_ in ROWS])
def test_a_tampered_property_is_found(
        bench: Bench, study: Callable[[], Study], tamper: Callable[[Bench], None], code: str,
        likeness: Likeness, cause: str | None) -> None:
    before = study()
    run = before.submit("mean", {"model": {"className": "Linear", "gain": 2.0}})
    (record,) = drained(before)
    assert record.result is not None
    stored = (bench.project.package / "components.py").read_bytes()
    tamper(bench)
    edited = (bench.project.package / "components.py").read_bytes()

    found = study().reproduce(run, code=code)

    assert (found.verdict.likeness, found.same) == (likeness, likeness is not DIVERGED), found
    assert (found.causes[0].kind if found.causes else None) == cause, found.causes
    if likeness is DIVERGED:
        assert found.verdict.first is not None and found.verdict.first.where.startswith("total, point ")
        assert found.likely == found.causes[0].text
    # the checkout is as it was left, and the store has no other run
    assert (bench.project.package / "components.py").read_bytes() == edited
    assert (stored == edited) == (tamper not in (component, other_component, comment))
    assert [each.id for each in study().results(states=())] == [run]


def test_the_first_point_that_differs_is_named(bench: Bench, study: Callable[[], Study]) -> None:
    one = study()
    run = one.submit("mean", {"model": "Linear"})
    drained(one)
    bench.data.write_text("1 2 3 5")

    found = one.reproduce(run)

    assert str(found.verdict.first).startswith("total, point 4 (step 3): ")


def test_small_differences_are_equal_within_a_tolerance(bench: Bench, study: Callable[[], Study]) -> None:
    one = study()
    run = one.submit("mean", {"model": "Linear"})
    drained(one)
    bench.library("1.0.1", 1e-9)

    assert one.reproduce(run).verdict.likeness is DIVERGED
    found = one.reproduce(run, tolerance=1e-6)

    assert (found.verdict.likeness, found.same) == (Likeness.EQUAL, True)
    assert found.verdict.first is not None and found.causes[0].kind == "package"
