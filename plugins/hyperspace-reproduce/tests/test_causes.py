"""Recorded properties of the environment take part in the causes of a difference."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from hyperspace_core import RunRecord, Study
from hyperspace_reproduce.reproduce import causes
from pytest_hyperspace.project import ProjectFolder

FILES = {"hyperspace.py": """
    from hyperspace_core import hookimpl

    def order(x: float = 1.0) -> float:
        return float("".join(str(ord(letter)) for letter in {"a", "b", "c", "d", "e", "f", "g"}))

    @hookimpl
    def hyperspace_register(register):
        register.scenario(order)
    """}


@pytest.fixture
def project(hyperspace_project: Callable[..., ProjectFolder]) -> ProjectFolder:
    return hyperspace_project(FILES, name="sets")


@pytest.fixture
def record(study: Study) -> RunRecord:
    return study.run("order", echo=False)


def changed(record: RunRecord, section: str, **values: Any) -> RunRecord:
    (attempt,) = record.attempts
    sections = attempt.provenance | {section: {**attempt.provenance[section], **values}}
    return replace(record, attempts=(replace(attempt, provenance=sections),))


def texts(before: RunRecord, now: RunRecord) -> list[str]:
    return [cause.text for cause in causes(before, now, own_code=True)]


def test_equal_records_have_no_cause(record: RunRecord) -> None:
    assert texts(record, record) == []


def test_variables_that_change_results_are_causes(record: RunRecord) -> None:
    before = changed(record, "host", environment={"OMP_NUM_THREADS": "4", "SLURM_JOB_ID": "1"})
    now = changed(record, "host", environment={"OPENBLAS_CORETYPE": "Haswell", "SLURM_JOB_ID": "2"})

    assert texts(before, now) == ["variable OMP_NUM_THREADS 4 then, not set now",
                                  "variable OPENBLAS_CORETYPE not set then, Haswell now"]


def test_a_hash_seed_that_was_not_fixed_was_random(record: RunRecord) -> None:
    before = changed(record, "host", environment={})
    now = changed(record, "host", environment={"PYTHONHASHSEED": "0"})

    (text,) = texts(before, now)
    assert text.startswith("Python's hash seed was random then (PYTHONHASHSEED was not set), 0 now: ")
    assert texts(now, changed(now, "host", environment={"PYTHONHASHSEED": "7"})) == [
        "variable PYTHONHASHSEED 0 then, 7 now"]


def test_blas_kernels_and_plugins_are_causes(record: RunRecord) -> None:
    before, now = (changed(record, "host", blas=[kernel]) for kernel in ("Haswell", "SkylakeX"))
    assert texts(before, now) == ['host: blas ["Haswell"] then, ["SkylakeX"] now']

    before, now = (changed(record, "plugins", loaded=[{"name": "seeds", "version": version}])
                   for version in ("1.0", "2.0"))
    assert texts(before, now) == ["plugin seeds 1.0 then, 2.0 now"]


@pytest.mark.parametrize("isolation", ["warm", "spawn"])
def test_a_worker_s_runs_have_one_order_of_sets(study: Study, isolation: str) -> None:
    from hyperspace_core.worker.state import WorkerOptions
    from hyperspace_core.worker.worker import Worker

    results = []
    for _ in range(2):
        run = study.submit("order", seed=0)
        options = WorkerOptions(drain=True, isolation=isolation)
        Worker(study.store, study.name, study.extensions, options).run()
        found = study.get(run)
        assert found.attempt is not None
        assert found.attempt.provenance["host"]["environment"]["PYTHONHASHSEED"] == "0"
        results.append(found.result)

    assert results[0] == results[1]
