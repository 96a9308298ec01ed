"""CPU seconds to find existing and comparable runs among 50,000 stored runs."""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from typing import Any

from tools import show, trivial_project

RUNS, BATCH = 50_000, 1000


def filled(folder: Path) -> Any:
    """A study with many copies of a real run; every other one has older code."""
    from hyperspace_core.study import Study

    study = Study("trivial", f"sqlite:///{folder}/runs.db")
    first = study.run("nothing", echo=False)
    older = deepcopy(first.attempts)
    for part in older[0].provenance["components"].values():
        part["fingerprint"] = f"sha256:{'0' * 64}"
    batch = []
    for number in range(RUNS):
        batch.append(replace(first, uid=f"{number:032x}", config={"number": number}, result=float(number),
                             attempts=older if number % 2 else first.attempts))
        if len(batch) == BATCH:
            study.store.restore(batch)
            batch.clear()
    return study


def measured(what: Callable[[], Any]) -> tuple[float, Any]:
    begun = time.process_time()
    found = what()
    return time.process_time() - begun, found


def main() -> None:
    from hyperspace_core.records.filter import RunFilter
    from hyperspace_core.results.comparable import CurrentCode, existing_runs, select_comparable

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        trivial_project(folder)
        sys.path.insert(0, str(folder))
        study = filled(folder)
        wanted = RunFilter(project="trivial", tasks=("nothing",))

        reading, _ = measured(lambda: sum(1 for _ in study.store.find(wanted)))
        existing, known = measured(lambda: existing_runs(study.store, study.project, "nothing"))
        comparing, found = measured(lambda: select_comparable(
            study.store.find(wanted), lambda: CurrentCode(study.project)))
        show(f"{RUNS:,} stored runs, half of them of older code", [
            ("reading them", f"{reading:.1f} s"),
            (f"which exist already: {len(known):,}", f"{existing:.1f} s"),
            (f"which are comparable: {len(found.kept):,}", f"{comparing:.1f} s"),
        ])
        study.close()


if __name__ == "__main__":
    main()
