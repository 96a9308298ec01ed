"""Record runs with Sacred; executed by a Python that has it; arguments: URL and database.

With a third argument, "explorer", they are configured as by hyperspace_explorer, and the task is the name of
the experiment. Nothing of hyperspace is imported here.
"""

from __future__ import annotations

import contextlib
import sys
import tempfile
import warnings
from pathlib import Path
from typing import Any

warnings.simplefilter("ignore")

import numpy as np  # noqa: E402
from sacred import SETTINGS, Experiment  # noqa: E402
from sacred.observers import MongoObserver  # noqa: E402
from sacred.utils import SacredInterrupt, TimeoutInterrupt  # noqa: E402

SETTINGS.CAPTURE_MODE = "sys"
URL, DATABASE = sys.argv[1:3]
FOREST = {"classifier": {"className": "Forest", "trees": 100}, "seed": 17}
ATTENTION = {
    "Classifier": {"className": "AggregatingClassifier", "drop_mult": 0.5, "lin_ftrs": [50], "Aggregation": {
        "className": "BranchingAttentionAggregation", "agg_layers": [50, 10], "att_hid_layers": [20]}},
    "TrainingSchedule": {"className": "DefaultSchedule", "cycles": 4, "lr": 0.01},
    "seed": 42,
}


def experiment(name: str, main: Any, config: dict[str, Any] = FOREST) -> Experiment:
    made = Experiment(name, save_git_info=False)
    made.observers.append(MongoObserver(url=URL, db_name=DATABASE))
    made.add_config(config)
    made.main(main)
    return made


def good(_run: Any, classifier: Any) -> Any:
    print("hello from Sacred")
    for step in range(5):
        _run.log_scalar("loss", 1.0 / (step + 1), step)
        _run.log_scalar("accuracy", np.float32(step / 4), step * 10)
    _run.info["note"] = {"x": np.float64(0.25), "list": np.arange(3)}
    path = Path(tempfile.mkdtemp()) / "model.txt"
    path.write_text("weights")
    _run.add_artifact(str(path))
    _run.open_resource(str(path)).close()
    return np.float64(0.75)


def bad() -> None:
    raise ValueError("no luck")


def late() -> None:
    raise TimeoutInterrupt


def stopped() -> None:
    raise SacredInterrupt


def attention(_run: Any, TrainingSchedule: Any) -> float:
    for epoch in range(TrainingSchedule["cycles"]):
        _run.log_scalar("accuracy", 0.6 + epoch / 20, epoch)
    return 0.7 + TrainingSchedule["cycles"] / 100


def sacred() -> None:
    experiment("imdb", good).run(config_updates={"classifier": {"trees": 7}})
    for failing in (bad, late, stopped):
        with contextlib.suppress(ValueError, SacredInterrupt):
            experiment("imdb", failing).run()
    experiment("other", lambda: {"accuracy": np.int64(3)}).run()
    experiment("imdb", good).run(options={"--queue": True})


def explorer() -> None:
    task = "imdb_1k_sample_single"
    experiment(task, attention, ATTENTION).run()
    experiment(task, attention, ATTENTION).run(config_updates={"TrainingSchedule": {"cycles": 8}})


explorer() if sys.argv[3:] == ["explorer"] else sacred()
