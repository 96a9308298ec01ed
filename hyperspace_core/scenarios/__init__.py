"""Core's own scenarios, registered in every project."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hyperspace_core.components import Dataset, Fit, Model, Preprocessor, Scenario, Scorer, Trainer, Unchanged
from hyperspace_core.markers import hookimpl
from hyperspace_core.run import Run
from hyperspace_core.scenarios.shapes import PerSeries, Repeated, Rolling

__all__ = ["PerSeries", "Pipeline", "Repeated", "Rolling"]

if TYPE_CHECKING:
    from hyperspace_core.extension.register import Register

Settings = dict[str, Any]


@dataclass
class Pipeline(Scenario):
    """Load, preprocess, build, train, score: each stage is a component or a hook.

    For a stage that the project implements as a hook, the parameter takes a plain settings dict, which is
    passed to the hook unchanged.
    """

    dataset: Dataset | Settings
    scorer: Scorer | Settings

    def single_run(self, run: Run, model: Model | Settings,
                   preprocessor: Preprocessor | Settings = Unchanged(),  # noqa: B008 - a default is a config
                   trainer: Trainer | Settings = Fit(),  # noqa: B008
                   ) -> dict[str, float]:
        """Return the numbers of the scorer."""
        stages = run.stages
        data = stages.preprocess(preprocessor, stages.load_data(self.dataset))
        fitted = stages.train(trainer, stages.build_model(model, data), data)
        return stages.score(self.scorer, fitted, data)


@hookimpl
def hyperspace_register(register: Register) -> None:
    for scenario in (Pipeline, Repeated, PerSeries, Rolling):
        register.component(Scenario, scenario)
    register.component(Preprocessor, Unchanged)
    register.component(Trainer, Fit)
