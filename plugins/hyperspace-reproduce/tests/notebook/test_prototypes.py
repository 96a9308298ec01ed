"""Notebook classes: executed locally, with stored source, never queued."""

from __future__ import annotations

import inspect
import pydoc

import pytest

from greenhouse_notebook import GROVE, Notebook
from hyperspace_core.errors import ConfigError, RegistrationError, UsageError
from hyperspace_core.records.filter import RunFilter
from hyperspace_core.records.run import RunRecord
from hyperspace_core.records.states import State
from hyperspace_core.study import Study


def source(study: Study, record: RunRecord) -> str:
    (artifact,) = study.store.artifacts(record.id)
    assert artifact.name == "notebook/Grove.py"
    with study.store.open_artifact(artifact) as file:
        return file.read().decode()


def test_a_notebook_class_runs_and_its_source_is_stored(study: Study, notebook: Notebook) -> None:
    notebook.cell(GROVE)

    record = study.run("trial", {"learner": {"className": "Grove", "side": 3.0}}, echo=False)

    assert (record.state, record.result) == (State.COMPLETED, 27.0)
    assert record.config == {"learner": {"className": "Grove", "side": 3.0}}
    text = source(study, record)
    fresh: dict[str, object] = {"__name__": "elsewhere"}
    exec(compile(text, "elsewhere", "exec", dont_inherit=True), fresh)
    assert fresh["Grove"](2.0).size(0) == 12  # type: ignore[operator]
    assert "study" not in text


def test_a_redefined_class_replaces_the_earlier_one(study: Study, notebook: Notebook) -> None:
    notebook.cell(GROVE)
    notebook.cell(GROVE.replace("FACTOR = 3", "FACTOR = 5"))

    assert study.run("trial", {"learner": "Grove"}, echo=False).result == 30.0


def test_queueing_a_notebook_class_is_refused_with_the_cure(study: Study, notebook: Notebook) -> None:
    notebook.cell(GROVE)

    for queue in (lambda: study.submit("trial", {"learner": "Grove"}),
                  lambda: study.submit_grid("trial", {"learner": ["Forest", "Grove"]})):
        with pytest.raises(ConfigError, match=r'^`learner`: Grove is a class of this notebook.*'
                                              r'study\.promote\(Grove, "greenhouse/'):
            queue()
    assert study.store.count(RunFilter()) == {}


def test_a_search_that_names_a_notebook_class_is_refused(study: Study, notebook: Notebook) -> None:
    notebook.cell(GROVE)

    with pytest.raises(ConfigError, match=r"^space: `learner`: Grove is a class of this notebook.*"
                                          r"study\.promote\(Grove, "):
        study.tune("trial", runs=1, tuner="Random", space={"learner": ["Grove", "Forest"]})
    assert study.searches() == []
    search = study.tune("trial", runs=1, tuner="Random",
                        space={"learner": {"className": "Forest", "trees": [1, 2]}})
    assert search.record.proposed == 0


def test_help_shows_the_signature_of_register(study: Study) -> None:
    assert str(inspect.signature(study.register)) == (
        "(target: 'Any' = None, *, family: 'type | None' = None, name: 'str | None' = None) -> 'Any'")
    text = pydoc.render_doc(study.register, renderer=pydoc.plaintext)
    assert "register(target: 'Any' = None, *, family:" in text
    assert {"register", "promote", "reproduce"} <= set(dir(study))


def test_installed_classes_can_be_queued(study: Study, notebook: Notebook) -> None:
    notebook.cell(GROVE)

    assert study.submit_grid("trial", {"learner": [{"className": "Forest", "trees": [1, 2]}]}) == [1, 2]
    assert "2 queued" in repr(study.progress())


def test_an_installed_class_is_not_replaced(study: Study, notebook: Notebook) -> None:
    notebook.cell("from greenhouse.parts import Learner")

    with pytest.raises(RegistrationError, match="edit an installed class in its file"):
        notebook.cell("@study.register\nclass Forest(Learner):\n    def size(self, seed): return 1.0")
    assert study.run("trial", echo=False).result == 100.0


@pytest.mark.parametrize("text", ["study.register(3)", "class Alone: pass\nstudy.register(Alone)"])
def test_a_class_without_a_family_is_refused_with_the_cure(notebook: Notebook, text: str) -> None:
    with pytest.raises(UsageError, match="name the family"):
        notebook.cell(text)


def test_family_and_name_can_be_given_at_registration(study: Study, notebook: Notebook) -> None:
    notebook.cell("""
        from greenhouse.parts import Learner

        @study.register(family=Learner, name="Bush")
        class Small:
            def __init__(self, leaves: int = 4):
                self.leaves = leaves

            def size(self, seed):
                return self.leaves
        """)

    assert study.run("trial", {"learner": {"className": "Bush", "leaves": 2}}, echo=False).result == 2.0
