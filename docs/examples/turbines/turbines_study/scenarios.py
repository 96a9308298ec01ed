"""The scenario for one turbine; tasks repeat it by turbine or month."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from hyperspace_core import Run, Scenario
from turbines_study.components import Boosting, Regressor
from turbines_study.data import Turbine


@dataclass
class PowerOfOne(Scenario):
    """Train on the power of one turbine, and test on later measurements."""

    dataset: Turbine

    def single_run(self, run: Run, regressor: Regressor = Boosting()) -> dict[str, float]:
        """Return the mean absolute error in kW."""
        data = run.stages.load_data(self.dataset)
        model = regressor.build(run.seed)
        model.fit(data.train, data.train_power)
        error = float(np.abs(model.predict(data.test) - data.test_power).mean())
        run.log_scalar("error_kw", error)
        print(f"{self.dataset.turbine} from {self.dataset.test_from}: {error:.1f} kW off")
        return {"error_kw": error}
