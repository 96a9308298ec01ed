"""Import times, compared with a bare interpreter."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from pathlib import Path

from tools import show

ROUNDS = 21
SKLEARN = ("import sklearn.ensemble, sklearn.svm, sklearn.calibration, sklearn.linear_model, "
           "sklearn.preprocessing")
NAMES = "from hyperspace_core import Component, Dataset, Scenario, Run, Lazy, Int, Float, hookimpl"
COMMANDS = {
    "bare interpreter": ["-c", "pass"],
    "import hyperspace_core": ["-c", "import hyperspace_core"],
    "the names that a project needs": ["-c", NAMES],
    "scikit-learn": ["-c", SKLEARN],
    "scikit-learn, then the components of digits": ["-c", f"{SKLEARN}; import digits_study.components"],
    "import click": ["-c", "import click"],
}


def seconds(command: list[str]) -> float:
    began = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - began


def main() -> None:
    script = Path(sys.executable).with_name("hyperspace")
    commands = {name: [sys.executable, "-P", *arguments] for name, arguments in COMMANDS.items()}
    commands["hyperspace --help"] = [str(script), "--help"]
    times: dict[str, list[float]] = {name: [] for name in commands}
    for _ in range(ROUNDS):            # in turns, so that load on the machine affects all
        for name, command in commands.items():
            times[name].append(seconds(command) * 1000)
    ms = {name: statistics.median(found) for name, found in times.items()}
    bare = ms["bare interpreter"]
    added = ms["scikit-learn, then the components of digits"] - ms["scikit-learn"]
    names = ms["the names that a project needs"] - bare
    show(f"imports, median of {ROUNDS}, over a bare interpreter of {bare:.0f} ms", [
        ("import hyperspace_core", f"{ms['import hyperspace_core'] - bare:+8.1f} ms   (aim: under 50)"),
        ("the names that a project needs", f"{names:+8.1f} ms   (aim: under 50)"),
        ("the components of digits, over scikit-learn", f"{added:+8.1f} ms   (aim: under 50)"),
        ("import click", f"{ms['import click'] - bare:+8.1f} ms"),
        ("hyperspace --help, the whole command", f"{ms['hyperspace --help']:8.1f} ms   (aim: under 150)"),
        ("hyperspace --help / import click", f"{ms['hyperspace --help'] / ms['import click']:8.2f}"),
    ])


if __name__ == "__main__":
    main()
