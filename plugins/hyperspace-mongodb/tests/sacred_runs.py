"""Runs as Sacred records them: executed by the Python of an environment that has Sacred, URL and database given.

Nothing of hyperspace is imported here.
"""

from __future__ import annotations

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


def experiment(name: str, main: Any) -> Experiment:
    made = Experiment(name, interactive=True)
    made.observers.append(MongoObserver(url=URL, db_name=DATABASE))
    made.add_config({"classifier": {"className": "Forest", "trees": 100}, "seed": 17})
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


experiment("imdb", good).run(config_updates={"classifier": {"trees": 7}})
for failing in (bad, late, stopped):
    try:
        experiment("imdb", failing).run()
    except (ValueError, SacredInterrupt):
        pass
experiment("other", lambda: {"accuracy": np.int64(3)}).run()
experiment("imdb", good).run(options={"--queue": True})
