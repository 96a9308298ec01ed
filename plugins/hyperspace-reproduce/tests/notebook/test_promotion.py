"""Promotion of a notebook class into the package, verified in a fresh process."""

from __future__ import annotations

import ast
from collections.abc import Callable

import pytest

from greenhouse_notebook import GROVE, Notebook
from hyperspace_core.errors import HyperspaceError, Refused, UsageError
from hyperspace_core.records.states import State
from hyperspace_core.study import Study
from hyperspace_reproduce.replay import Likeness
from pytest_hyperspace.project import ProjectFolder

Files = Callable[[], dict[str, str]]


@pytest.fixture
def files(project: ProjectFolder) -> Files:
    """Path and bytes of every file of the package."""
    return lambda: {path.name: path.read_text() for path in project.package.rglob("*.py")}


def grown(study: Study, notebook: Notebook, text: str = GROVE) -> None:
    notebook.cell(text)
    assert study.run("trial", {"learner": {"className": "Grove", "side": 3.0}}, echo=False).result == 27.0


def test_a_promoted_class_is_verified_in_a_fresh_process(study: Study, notebook: Notebook,
                                                         files: Files) -> None:
    before = files()
    grown(study, notebook)

    promotion = study.promote(notebook["Grove"], "greenhouse/parts.py")

    assert (promotion.verdict.likeness, promotion.proof.id) == (Likeness.IDENTICAL, 1)
    assert promotion.registered_in is None and "run 1 gave: identical" in repr(promotion)
    after = files()["parts.py"]
    assert {**files(), "parts.py": ""} == {**before, "parts.py": ""}
    assert "import math\n" in after and after.count("import dataclass\n") == 1
    assert [node.name for node in ast.parse(after).body if isinstance(node, ast.ClassDef)] == [
        "Learner", "Forest", "Trial", "Grove"]
    assert "study" not in after


def test_workers_execute_a_promoted_class(study: Study, notebook: Notebook) -> None:
    from hyperspace_core.extension.manager import build_manager
    from hyperspace_core.worker.state import WorkerOptions
    from hyperspace_core.worker.worker import Worker

    grown(study, notebook)
    study.promote(notebook["Grove"], "greenhouse/parts.py")

    (run,) = [study.submit("trial", {"learner": {"className": "Grove", "side": 2.0}})]
    Worker(study.store, study.name, build_manager(), WorkerOptions(isolation="spawn", drain=True)).run()

    assert isinstance(run, int)
    assert (study.get(run).state, study.get(run).result) == (State.COMPLETED, 12.0)


def test_after_promotion_this_process_uses_the_file(study: Study, notebook: Notebook) -> None:
    grown(study, notebook)
    study.promote(notebook["Grove"], "greenhouse/extra.py")

    record = study.run("trial", {"learner": "Grove"}, echo=False)

    assert record.attempt is not None
    assert record.attempt.provenance["components"]["learner"]["module"] == "greenhouse.extra"
    assert not study.store.artifacts(record.id)


def test_a_new_module_is_registered(study: Study, notebook: Notebook, files: Files) -> None:
    before = files()["hyperspace.py"]
    grown(study, notebook)

    promotion = study.promote(notebook["Grove"], "greenhouse/extra.py")

    assert promotion.registered_in is not None and promotion.registered_in.name == "hyperspace.py"
    assert files()["hyperspace.py"] == before.rstrip("\n") + '\n    register.module("greenhouse.extra")\n'
    with Study("greenhouse", study.store.url) as again:
        assert again.run("trial", {"learner": "Grove"}, echo=False).result == 18.0


def test_a_notebook_run_again_uses_the_installed_class(study: Study, notebook: Notebook) -> None:
    grown(study, notebook)
    study.promote(notebook["Grove"], "greenhouse/parts.py")

    notebook.cell(GROVE)

    assert study.submit("trial", {"learner": "Grove"}) == 2


def test_a_promotion_with_other_results_is_undone(study: Study, notebook: Notebook, files: Files) -> None:
    before = files()
    notebook.cell("""
        from greenhouse.parts import Learner
        calls = []
        """)
    notebook.cell("""
        @study.register
        class Grove(Learner):
            count = 0
            def size(self, seed):
                Grove.count += 1
                return float(Grove.count)
        """)
    study.run("trial", {"learner": "Grove"}, echo=False)
    study.run("trial", {"learner": "Grove"}, echo=False)

    with pytest.raises(HyperspaceError, match=r"does not give what run 2 gave: size, point 1 \(step 0\): 2.0 "
                                              r"then, 1.0 now.*as it was before"):
        study.promote(notebook["Grove"], "greenhouse/extra.py")
    assert files() == before


def test_an_edited_class_must_run_before_promotion(study: Study, notebook: Notebook) -> None:
    with pytest.raises(UsageError, match="not a class of this notebook"):
        study.promote(dict, "greenhouse/parts.py")
    notebook.cell(GROVE)
    with pytest.raises(Refused, match=r"run it with study\.run first"):
        study.promote(notebook["Grove"], "greenhouse/parts.py")
    study.run("trial", {"learner": "Grove"}, echo=False)
    notebook.cell(GROVE.replace("FACTOR = 3", "FACTOR = 4"))
    with pytest.raises(Refused, match="was edited since run 1"):
        study.promote(notebook["Grove"], "greenhouse/parts.py")


def test_existing_names_are_not_overwritten(study: Study, notebook: Notebook, files: Files,
                                            project: ProjectFolder) -> None:
    project.write("spare.py", "FACTOR = 17\n")
    before = files()
    grown(study, notebook)

    with pytest.raises(UsageError, match=r"greenhouse/spare.py: `FACTOR` already exists there"):
        study.promote(notebook["Grove"], "greenhouse/spare.py")
    assert files() == before


def test_a_value_that_cannot_be_written_is_named(study: Study, notebook: Notebook) -> None:
    notebook.cell("data = object()\n" + """
from greenhouse.parts import Learner
@study.register
class Grove(Learner):
    def size(self, seed):
        return float(data is not None)
""")
    study.run("trial", {"learner": "Grove"}, echo=False)

    with pytest.raises(UsageError, match=r"Grove uses `data` \(object\)"):
        study.promote(notebook["Grove"], "greenhouse/parts.py")


@pytest.mark.parametrize("path", ["elsewhere/x.py", "greenhouse/x.txt", "greenhouse", "../greenhouse/x.py",
                                  "/tmp/x.py", "greenhouse/a-b.py", ""])
def test_a_path_outside_the_package_is_refused(study: Study, notebook: Notebook, path: str) -> None:
    notebook.cell(GROVE)

    with pytest.raises(UsageError, match=r"expected a module of the project's package, as in "
                                         r"'greenhouse/models.py'"):
        study.promote(notebook["Grove"], path)
