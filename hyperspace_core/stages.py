"""The stages of a run: default hook implementations and hook calls.

The defaults are `trylast` implementations that call the chosen component.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hyperspace_core.errors import HyperspaceError
from hyperspace_core.markers import hookimpl
from hyperspace_core.run import Absent, Run, Section, Stages

if TYPE_CHECKING:
    from hyperspace_core.components import Scenario
    from hyperspace_core.extension.manager import Extensions

MAX_FINGERPRINTS = 1000        # for a scenario that loads data many times


@hookimpl(trylast=True)
def hyperspace_execute(run: Run, scenario: Scenario) -> Any:
    return scenario.single_run(**run.arguments)


# A plain settings dict is for a hook of the project; it has no method to call, so the defaults return None.


@hookimpl(trylast=True)
def hyperspace_load_data(dataset: Any) -> Any:
    return None if _is_settings(dataset) else dataset.load()


@hookimpl(trylast=True)
def hyperspace_preprocess(preprocessor: Any, data: Any) -> Any:
    return None if _is_settings(preprocessor) else preprocessor.apply(data)


@hookimpl(trylast=True)
def hyperspace_build_model(model: Any, data: Any) -> Any:
    return None if _is_settings(model) else model.build(data)


@hookimpl(trylast=True)
def hyperspace_train(trainer: Any, model: Any, data: Any) -> Any:
    return None if _is_settings(trainer) else trainer.train(model, data)


@hookimpl(trylast=True)
def hyperspace_score(scorer: Any, model: Any, data: Any) -> Any:
    return None if _is_settings(scorer) else scorer.score(model, data)


def _is_settings(component: Any) -> bool:
    return type(component) is dict


class StageError(HyperspaceError):
    """A stage without an implementation, or one that returned None."""


class HookStages(Stages):
    """`run.stages` of a recorded run: each stage calls its hook.

    A stage raises `StageError` if the hook returns None, and any exception of its implementation.
    """

    def __init__(self, run: Run, extensions: Extensions) -> None:
        self._run, self._extensions = run, extensions
        self._hook = extensions.hook
        self._fingerprints: list[str] = []
        self._versions: list[Any] = []

    def load_data(self, dataset: Any) -> Any:
        data = self._answer("load_data", dataset=dataset)
        self._fingerprint(data, _version(dataset))
        return data

    def preprocess(self, preprocessor: Any, data: Any) -> Any:
        return self._answer("preprocess", preprocessor=preprocessor, data=data)

    def build_model(self, model: Any, data: Any) -> Any:
        return self._answer("build_model", model=model, data=data)

    def train(self, trainer: Any, model: Any, data: Any) -> Any:
        return self._answer("train", trainer=trainer, model=model, data=data)

    def score(self, scorer: Any, model: Any, data: Any) -> dict[str, float]:
        scores: dict[str, float] = self._answer("score", scorer=scorer, model=model, data=data)
        return scores

    def begin_part(self, run: Run) -> Stages:
        """Seed again for a part, so that its result does not depend on earlier parts."""
        self._hook.hyperspace_seed(seed=run.seed)
        return HookStages(run, self._extensions)

    def _answer(self, stage: str, **arguments: Any) -> Any:
        """The answer of a stage's hook; its first argument is the component, or its settings."""
        hook = f"hyperspace_{stage}"
        answer = getattr(self._hook, hook)(run=self._run, **arguments)
        if answer is not None:
            return answer
        argument, component = next(iter(arguments.items()))
        asked = list(self._extensions.implements(hook))
        if not _is_settings(component):
            asked.append(type(component).__name__)
        if asked:
            raise StageError(f"stage {stage}: {hook} of {' and '.join(asked)} returned None; return a value")
        raise StageError(f"stage {stage}: `{argument}` is a plain settings dict and nothing implements "
                         f"{hook}; implement it with @hookimpl, or choose a class by className")

    def _fingerprint(self, data: Any, version: Any) -> None:
        """Record the fingerprint of the data; an error here does not stop the run."""
        try:
            name = self._hook.hyperspace_fingerprint(data=data)
        except Exception as error:  # noqa: BLE001 - evidence only
            self._run.sink.emit(Absent("data", f"{type(error).__name__}: {error}"))
            return
        if not isinstance(name, str):
            self._run.sink.emit(Absent("data", f"expected a text, got {type(name).__name__}"))
            return
        if len(self._fingerprints) < MAX_FINGERPRINTS:
            self._fingerprints.append(name)
            self._versions.append(version)
        section: dict[str, Any] = {"fingerprints": list(self._fingerprints)}
        if any(known is not None for known in self._versions):
            section["versions"] = list(self._versions)
        self._run.sink.emit(Section("data", section))


def _version(dataset: Any) -> Any:
    """The `version` of a dataset or of its settings, or None."""
    found = dataset.get("version") if _is_settings(dataset) else getattr(dataset, "version", None)
    return found if isinstance(found, str | int | float) else None
