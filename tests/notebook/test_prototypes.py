"""A class that was typed into a notebook: executed here, with its source kept, and never queued."""

from __future__ import annotations

import pytest

from hyperspace_core.errors import ConfigError, RegistrationError, UsageError
from hyperspace_core.records.filter import RunFilter
from hyperspace_core.records.run import RunRecord
from hyperspace_core.records.states import State
from hyperspace_core.study import Study

from .conftest import Notebook

GROVE = """
    import math
    from dataclasses import dataclass
    from greenhouse.parts import Learner

    FACTOR = 3

    def rounded(number):
        return math.floor(number)

    @study.register
    @dataclass
    class Grove(Learner):
        "Trees by the square."
        side: float = 2.5

        def size(self, seed: int) -> float:
            return FACTOR * rounded(self.side ** 2)
    """


def source(study: Study, record: RunRecord) -> str:
    (artifact,) = study.store.artifacts(record.id)
    assert artifact.name == "notebook/Grove.py"
    with study.store.open_artifact(artifact) as file:
        return file.read().decode()


def test_it_is_executed_here_like_any_other_and_its_source_is_kept(study: Study, notebook: Notebook) -> None:
    notebook.cell(GROVE)

    record = study.run("trial", {"learner": {"className": "Grove", "side": 3.0}}, echo=False)

    assert (record.state, record.result) == (State.COMPLETED, 27.0)
    assert record.config == {"learner": {"className": "Grove", "side": 3.0}}
    text = source(study, record)
    fresh: dict[str, object] = {"__name__": "elsewhere"}
    exec(compile(text, "elsewhere", "exec", dont_inherit=True), fresh)
    assert fresh["Grove"](2.0).size(0) == 12  # type: ignore[operator]
    assert "study" not in text


def test_typed_anew_it_takes_the_place_of_the_earlier_one(study: Study, notebook: Notebook) -> None:
    notebook.cell(GROVE)
    notebook.cell(GROVE.replace("FACTOR = 3", "FACTOR = 5"))

    assert study.run("trial", {"learner": "Grove"}, echo=False).result == 30.0


def test_queued_it_is_refused_with_the_way_out(study: Study, notebook: Notebook) -> None:
    notebook.cell(GROVE)

    for queue in (lambda: study.submit("trial", {"learner": "Grove"}),
                  lambda: study.submit_grid("trial", {"learner": ["Forest", "Grove"]})):
        with pytest.raises(ConfigError, match=r'^`learner`: Grove is a class of this notebook.*'
                                              r'study\.promote\(Grove, "greenhouse/'):
            queue()
    assert study.store.count(RunFilter()) == {}


def test_installed_classes_are_queued_as_ever(study: Study, notebook: Notebook) -> None:
    notebook.cell(GROVE)

    assert study.submit_grid("trial", {"learner": [{"className": "Forest", "trees": [1, 2]}]}) == [1, 2]
    assert "2 queued" in repr(study.progress())


def test_an_installed_class_is_not_replaced(study: Study, notebook: Notebook) -> None:
    notebook.cell("from greenhouse.parts import Learner")

    with pytest.raises(RegistrationError, match="is edited in its file"):
        notebook.cell("@study.register\nclass Forest(Learner):\n    def size(self, seed): return 1.0")
    assert study.run("trial", echo=False).result == 100.0


@pytest.mark.parametrize("text", ["study.register(3)", "class Alone: pass\nstudy.register(Alone)"])
def test_what_belongs_to_no_family_says_how(notebook: Notebook, text: str) -> None:
    with pytest.raises(UsageError, match="name the family"):
        notebook.cell(text)


def test_a_class_without_a_family_is_given_one_and_a_name(study: Study, notebook: Notebook) -> None:
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
