"""The stages: defaults that call the component, one place that calls the hooks, wrappers, names of data."""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path
from typing import Any, cast

import pytest

from hyperspace_core.components import Fit, Scenario, Unchanged
from hyperspace_core.extension.manager import Extensions, admit, build_manager
from hyperspace_core.markers import hookimpl
from hyperspace_core.run import Absent, Memory, Run, Section, Stages
from hyperspace_core.scenarios import Pipeline
from hyperspace_core.stages import HookStages, StageError


class Log:
    """All components of a pipeline in one class; records its calls."""

    def __init__(self) -> None:
        self.asked: list[Any] = []

    def load(self) -> Any:
        self.asked.append("load")
        return "data"

    def apply(self, data: Any) -> Any:
        self.asked.append(("apply", data))
        return f"applied {data}"

    def build(self, data: Any) -> Any:
        self.asked.append(("build", data))
        return "model"

    def train(self, model: Any, data: Any) -> Any:
        self.asked.append(("train", model, data))
        return f"fitted {model}"

    def score(self, model: Any, data: Any) -> dict[str, float]:
        self.asked.append(("score", model, data))
        return {"result": 1.0}


ORDER = ["load", ("apply", "data"), ("build", "applied data"), ("train", "model", "applied data"),
         ("score", "fitted model", "applied data")]


@pytest.fixture
def extensions() -> Extensions:
    return build_manager(discover=False)


@pytest.fixture
def run(extensions: Extensions, tmp_path: Path) -> Run:
    made = Run(sink=Memory(), seed=1, workdir=tmp_path)
    made.stages = HookStages(made, extensions)
    return made


def sections(run: Run) -> list[Section | Absent]:
    assert isinstance(run.sink, Memory)
    return run.sink.sections


@pytest.mark.parametrize("with_hooks", [True, False])
def test_a_pipeline_calls_the_five_stages_in_their_order(run: Run, with_hooks: bool) -> None:
    if not with_hooks:
        run.stages = Stages()
    log: Any = Log()
    pipeline = Pipeline(dataset=log, scorer=log)
    assert pipeline.single_run(run, model=log, preprocessor=log, trainer=log) == {"result": 1.0}
    assert log.asked == ORDER


def test_the_defaults_leave_data_alone_and_fit(run: Run) -> None:
    class Model:
        def build(self, data: Any) -> Any:
            return self

        def fit(self, x: list[int], y: list[int]) -> None:
            self.seen = (x, y)

    class Pair(Log):
        def load(self) -> Any:
            return [1], [2]

    log: Any = Pair()
    model: Any = Model()
    Pipeline(dataset=log, scorer=log).single_run(run, model=model)
    assert model.seen == ([1], [2])
    assert log.asked == [("score", model, ([1], [2]))]
    assert (Unchanged().apply(7), Fit()) == (7, Fit())


def test_executing_calls_single_run_with_the_arguments(run: Run, extensions: Extensions) -> None:
    class Tiny(Scenario):
        def single_run(self, a: int, b: int = 2) -> int:
            return a * b

    run.arguments = {"a": 4}
    assert extensions.hook.hyperspace_execute(run=run, scenario=Tiny()) == 8


def test_the_first_result_wins_and_the_default_is_not_called(run: Run, extensions: Extensions) -> None:
    class Mine:
        @hookimpl
        def hyperspace_train(self, run: Run, model: Any) -> Any:
            return f"mine of seed {run.seed}"

    admit(extensions.manager, Mine(), "mine")
    log: Any = Log()
    assert run.stages.train(log, "model", "data") == "mine of seed 1"
    assert log.asked == []


def test_every_stage_can_be_wrapped(run: Run, extensions: Extensions) -> None:
    order: list[str] = []

    def around(stage: str) -> Generator[None, Any, Any]:
        order.append(f"> {stage}")
        result = yield
        order.append(f"< {stage}")
        return result

    class Wrapper:
        @hookimpl(wrapper=True)
        def hyperspace_execute(self):
            return (yield from around("execute"))

        @hookimpl(wrapper=True)
        def hyperspace_load_data(self):
            return (yield from around("load_data"))

        @hookimpl(wrapper=True)
        def hyperspace_preprocess(self):
            return (yield from around("preprocess"))

        @hookimpl(wrapper=True)
        def hyperspace_build_model(self):
            return (yield from around("build_model"))

        @hookimpl(wrapper=True)
        def hyperspace_train(self):
            return (yield from around("train"))

        @hookimpl(wrapper=True)
        def hyperspace_score(self):
            scores = yield from around("score")
            return {name: value * 2 for name, value in scores.items()}

    admit(extensions.manager, Wrapper(), "wrapper")
    log: Any = Log()
    run.arguments = {"run": run, "model": log, "preprocessor": log, "trainer": log}
    scores = extensions.hook.hyperspace_execute(run=run, scenario=Pipeline(dataset=log, scorer=log))
    assert scores == {"result": 2.0}
    stages = ["load_data", "preprocess", "build_model", "train", "score"]
    inner = [line for stage in stages for line in (f"> {stage}", f"< {stage}")]
    assert order == ["> execute", *inner, "< execute"]


def test_exceptions_of_a_stage_pass_through(run: Run) -> None:
    class Faulty(Log):
        def load(self) -> Any:
            raise KeyError("no file")

    with pytest.raises(KeyError, match="no file"):
        run.stages.load_data(Faulty())


# -- stages without a result ---------------------------------------------------------------------------------

CALLS: list[tuple[str, str, tuple[Any, ...]]] = [
    ("load_data", "load", ()), ("preprocess", "apply", (1,)), ("build_model", "build", (1,)),
    ("train", "train", (1, 2)), ("score", "score", (1, 2)),
]


@pytest.mark.parametrize(("stage", "method", "others"), CALLS)
def test_none_from_a_stage_names_hook_and_component(run: Run, stage: str, method: str, others: Any) -> None:
    class Forgetful(Log):
        pass

    setattr(Forgetful, method, lambda self, *arguments: None)
    said = f"stage {stage}: hyperspace_{stage} of Forgetful returned None; return a value"
    with pytest.raises(StageError, match=said):
        getattr(run.stages, stage)(Forgetful(), *others)


@pytest.mark.parametrize(("stage", "method", "others"), CALLS)
def test_settings_that_no_hook_receives(run: Run, stage: str, method: str, others: Any) -> None:
    said = f"is a plain settings dict and nothing implements hyperspace_{stage}; "
    with pytest.raises(StageError, match=said):
        getattr(run.stages, stage)({"a": 1}, *others)


def test_a_hook_that_forgets_to_return_is_named(run: Run, extensions: Extensions) -> None:
    class Mine:
        @hookimpl
        def hyperspace_load_data(self, dataset: Any) -> Any:
            return None

    admit(extensions.manager, Mine(), "project lab")
    said = "hyperspace_load_data of project lab returned None; return"
    with pytest.raises(StageError, match=said):
        run.stages.load_data({"a": 1})


def test_falsy_results_count_as_results(run: Run) -> None:
    class Empty(Log):
        def load(self) -> Any:
            return []

        def score(self, model: Any, data: Any) -> dict[str, float]:
            return {}

    assert run.stages.load_data(Empty()) == []
    assert run.stages.score(Empty(), 1, 2) == {}


# -- names of data -------------------------------------------------------------------------------------------


def test_loaded_data_are_named_in_the_record(run: Run) -> None:
    log: Any = Log()
    run.stages.load_data(log)
    run.stages.load_data(log)
    first, second = sections(run)
    assert isinstance(first, Section)
    assert isinstance(second, Section)
    (name,) = first.data["fingerprints"]
    assert name.startswith("sha256:")
    assert second == Section("data", {"fingerprints": [name, name]})


def test_a_dataset_s_version_is_recorded_with_its_name(run: Run) -> None:
    old, new = Log(), Log()
    new.version = 2  # type: ignore[attr-defined]
    for dataset in (old, new):
        run.stages.load_data(cast("Any", dataset))
    *_, last = sections(run)
    assert isinstance(last, Section)
    assert last.data["versions"] == [None, 2]
    assert len(last.data["fingerprints"]) == 2


def test_a_plugin_may_name_data_in_its_own_way(run: Run, extensions: Extensions) -> None:
    class Mine:
        @hookimpl
        def hyperspace_fingerprint(self, data: Any) -> str | None:
            return f"mine:{data}" if data == "data" else None

    admit(extensions.manager, Mine(), "mine")
    log: Any = Log()
    run.stages.load_data(log)
    assert sections(run) == [Section("data", {"fingerprints": ["mine:data"]})]


@pytest.mark.parametrize(("answer", "reason"), [
    (ValueError("too big"), "ValueError: too big"), (7, "expected a text, got int"),
])
def test_a_name_that_cannot_be_found_fails_no_run(run: Run, extensions: Extensions, answer: Any,
                                                  reason: str) -> None:
    class Mine:
        @hookimpl
        def hyperspace_fingerprint(self, data: Any) -> Any:
            if isinstance(answer, Exception):
                raise answer
            return answer

    admit(extensions.manager, Mine(), "mine")
    log: Any = Log()
    assert run.stages.load_data(log) == "data"
    assert sections(run) == [Absent("data", reason)]
