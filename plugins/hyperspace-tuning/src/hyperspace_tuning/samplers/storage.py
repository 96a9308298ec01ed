"""A read-only storage of Optuna with the trials of one history: a list in memory.

Optuna's own in-memory storage copies trials and cannot remove them. Here `put` and `cut` keep the list equal
to a history, and the trial that Optuna creates for a question is removed again.
"""

from __future__ import annotations

from collections.abc import Container, Sequence
from datetime import datetime
from typing import Any

from optuna.distributions import BaseDistribution
from optuna.storages import BaseStorage
from optuna.study import StudyDirection
from optuna.study._frozen import FrozenStudy
from optuna.trial import FrozenTrial, TrialState

NAME = "history"
LONG_AGO = datetime(2000, 1, 1)        # constant, so that equal histories are equal; no sampler reads it


class HistoryStorage(BaseStorage):
    """A storage of one study, where a trial's number is its id."""

    def __init__(self, directions: Sequence[StudyDirection]) -> None:
        self.directions = list(directions)
        self.trials: list[FrozenTrial] = []
        self.attributes: dict[str, Any] = {}

    # -- changes by a history --------------------------------------------------------------------------------

    def put(self, number: int, trial: FrozenTrial) -> None:
        """Set the trial of that number, or append it."""
        self.trials[number:number + 1] = [trial]

    def cut(self, count: int) -> None:
        """Keep the first `count` trials, and no attributes that a sampler stored."""
        del self.trials[count:]
        self.attributes.clear()

    # -- calls by Optuna -------------------------------------------------------------------------------------

    def create_new_trial(self, study_id: int, template_trial: FrozenTrial | None = None) -> int:
        number = len(self.trials)
        self.trials.append(frozen(number, TrialState.RUNNING))
        return number

    def set_trial_param(self, trial_id: int, param_name: str, param_value_internal: float,
                        distribution: BaseDistribution) -> None:
        trial = self.trials[trial_id]
        trial.params[param_name] = distribution.to_external_repr(param_value_internal)
        trial.distributions[param_name] = distribution

    def set_trial_system_attr(self, trial_id: int, key: str, value: Any) -> None:
        self.trials[trial_id].system_attrs[key] = value

    def set_study_system_attr(self, study_id: int, key: str, value: Any) -> None:
        self.attributes[key] = value

    def get_study_system_attrs(self, study_id: int) -> dict[str, Any]:
        return self.attributes

    def get_study_id_from_name(self, study_name: str) -> int:
        return 0

    def get_study_name_from_id(self, study_id: int) -> str:
        return NAME

    def get_study_directions(self, study_id: int) -> list[StudyDirection]:
        return self.directions

    def get_study_user_attrs(self, study_id: int) -> dict[str, Any]:
        return {}

    def get_trial(self, trial_id: int) -> FrozenTrial:
        return self.trials[trial_id]

    def get_all_trials(self, study_id: int, deepcopy: bool = True,
                       states: Container[TrialState] | None = None) -> list[FrozenTrial]:
        return [trial for trial in self.trials if states is None or trial.state in states]

    # -- unused calls ----------------------------------------------------------------------------------------

    def create_new_study(self, directions: Sequence[StudyDirection], study_name: str | None = None) -> int:
        raise RuntimeError(READ_ONLY)

    def delete_study(self, study_id: int) -> None:
        raise RuntimeError(READ_ONLY)

    def get_all_studies(self) -> list[FrozenStudy]:
        raise RuntimeError(READ_ONLY)

    def set_study_user_attr(self, study_id: int, key: str, value: Any) -> None:
        raise RuntimeError(READ_ONLY)

    def set_trial_user_attr(self, trial_id: int, key: str, value: Any) -> None:
        raise RuntimeError(READ_ONLY)

    def set_trial_state_values(self, trial_id: int, state: TrialState,
                               values: Sequence[float] | None = None) -> bool:
        raise RuntimeError(READ_ONLY)

    def set_trial_intermediate_value(self, trial_id: int, step: int, intermediate_value: float) -> None:
        raise RuntimeError(READ_ONLY)


READ_ONLY = "a study that is rebuilt from a history is read-only"


def frozen(number: int, state: TrialState, *, params: dict[str, Any] | None = None,
           distributions: dict[str, BaseDistribution] | None = None, values: Sequence[float] | None = None,
           reports: dict[int, float] | None = None) -> FrozenTrial:
    """A trial as Optuna reads it; its number is its id."""
    return FrozenTrial(number=number, trial_id=number, state=state, value=None, values=values,
                       datetime_start=LONG_AGO, datetime_complete=LONG_AGO if state.is_finished() else None,
                       params={} if params is None else params, user_attrs={}, system_attrs={},
                       distributions={} if distributions is None else distributions,
                       intermediate_values={} if reports is None else reports)
