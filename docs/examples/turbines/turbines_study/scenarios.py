"""One turbine, one training, one judgement: the task says that it happens per turbine, or per month."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from hyperspace_core import Run, Scenario
from turbines_study.components import Boosting, Regressor
from turbines_study.data import Turbine


@dataclass
class PowerOfOne(Scenario):
    """Learn how much power a turbine gives, and judge by what it gave later."""

    dataset: Turbine

    def single_run(self, run: Run, regressor: Regressor = Boosting()) -> dict[str, float]:
        """The mean absolute error in kW."""
        data = run.stages.load_data(self.dataset)
        model = regressor.build(run.seed)
        model.fit(data.train, data.train_power)
        error = float(np.abs(model.predict(data.test) - data.test_power).mean())
        run.log_scalar("error_kw", error)
        print(f"{self.dataset.turbine} from {self.dataset.test_from}: {error:.1f} kW off")
        return {"error_kw": error}
