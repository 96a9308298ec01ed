"""Tests of the plugin with a plain pluggy manager and the hook specifications."""

from __future__ import annotations

import pluggy
import pytest

import stage_timer
from hyperspace_core import Run, hookimpl, hookspecs
from hyperspace_core.run import Memory

STAGES = ["load_data", "preprocess", "build_model", "train", "score"]


class Plain:
    """Implements each stage."""

    @hookimpl
    def hyperspace_load_data(self) -> str:
        return "load_data"

    @hookimpl
    def hyperspace_preprocess(self) -> str:
        return "preprocess"

    @hookimpl
    def hyperspace_build_model(self) -> str:
        return "build_model"

    @hookimpl
    def hyperspace_train(self) -> str:
        return "train"

    @hookimpl
    def hyperspace_score(self) -> dict[str, float]:
        return {"score": 1.0}


@pytest.fixture
def manager() -> pluggy.PluginManager:
    manager = pluggy.PluginManager("hyperspace")
    manager.add_hookspecs(hookspecs)
    manager.register(stage_timer)
    manager.check_pending()
    return manager


def test_every_stage_is_timed_and_keeps_its_result(manager: pluggy.PluginManager) -> None:
    manager.register(Plain())
    run = Run.local(seed=0)

    answers = [
        manager.hook.hyperspace_load_data(run=run, dataset=None),
        manager.hook.hyperspace_preprocess(run=run, preprocessor=None, data=None),
        manager.hook.hyperspace_build_model(run=run, model=None, data=None),
        manager.hook.hyperspace_train(run=run, trainer=None, model=None, data=None),
        manager.hook.hyperspace_score(run=run, scorer=None, model=None, data=None),
    ]

    assert answers == [*STAGES[:4], {"score": 1.0}]
    assert list(run.info["stage_seconds"]) == STAGES
    assert isinstance(run.sink, Memory)
    assert [point.name for point in run.sink.points] == [f"stage_seconds/{stage}" for stage in STAGES]
    assert all(point.value > 0 for point in run.sink.points)


def test_a_stage_that_raises_is_timed_too(manager: pluggy.PluginManager) -> None:
    class Broken:
        @hookimpl
        def hyperspace_train(self) -> None:
            raise ArithmeticError("diverged")

    manager.register(Broken())
    run = Run.local(seed=0)

    with pytest.raises(ArithmeticError, match="diverged"):
        manager.hook.hyperspace_train(run=run, trainer=None, model=None, data=None)
    assert list(run.info["stage_seconds"]) == ["train"]
