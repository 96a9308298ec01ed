"""Tests that the service reproduces the golden data of the run."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from digits_study.serving import Service
from hyperspace_core import GoldenDiffers, Study, check_golden


@pytest.fixture(params=["Forest", "Support", "Linear"])
def model(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """An exported run of each classifier."""
    with Study("digits", f"sqlite:///{tmp_path}/runs.db") as study:
        run = study.run("holdout", {"classifier": request.param}, echo=False)
        return study.export(run.id, tmp_path / "model")


def test_a_service_reproduces_the_golden_data(model: Path) -> None:
    service = Service(model)

    check_golden(model, lambda given: {"chances": service.chances(given["images"])}, tolerance=1e-9)


def test_a_different_model_is_detected(model: Path) -> None:
    def blank(given: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        return {"chances": np.full((len(given["images"]), 10), 0.1)}

    with pytest.raises(GoldenDiffers, match=r"outputs\.chances\[0, 0\]: expected "):
        check_golden(model, blank)
