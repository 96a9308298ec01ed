"""Parameter importance by Optuna's PED-ANOVA, from all completed trials."""

from __future__ import annotations

import warnings

from optuna.importance import PedAnovaImportanceEvaluator, get_param_importances

from hyperspace_core.config.searchspace import Space
from hyperspace_core.tuner import History
from hyperspace_optuna.feeding import values_of
from hyperspace_optuna.replaying import Replay

ENOUGH = 10                    # results; with fewer, the best tenth is random


def importance(space: Space, history: History) -> dict[str, float]:
    """Key of a dimension → its share in what separates the best tenth of the results.

    Uses the first metric; runs of related tasks do not count. Watanabe et al., PED-ANOVA: Efficiently
    Quantifying Hyperparameter Importance in Arbitrary Subspaces, IJCAI 32 (2023).
    """
    first = history.metrics[:1]
    done = [trial for trial in history.trials
            if trial.weight >= 1 and trial.state == "completed" and values_of(trial, first) is not None]
    if len(done) < ENOUGH or not space.dimensions:
        return {}
    replay = Replay(space, first)
    replay.follow(done)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")            # it is experimental; a parameter never varied
        return get_param_importances(replay.study(), evaluator=PedAnovaImportanceEvaluator())
