"""Results of 50,000 runs, compared with raw SQL and pandas.

Each case in a new process: CPU seconds, peak memory, and the ratio to raw SQL.
"""

from __future__ import annotations

import contextlib
import io
import json
import multiprocessing
import os
import random
import resource
import sqlite3
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from tools import show, trivial_project

RUNS, BATCH, PAGE = int(os.environ.get("RUNS", "50000")), 1000, 40
SELECT = ("SELECT id, result, config, metrics, seed FROM runs JOIN bodies ON run = id "
          "WHERE project = 'trivial' AND task = 'nothing' AND state = 'COMPLETED' ORDER BY rank, id")


def filled(folder: Path) -> None:
    """Copies of a real run with its provenance, three seeds of each config."""
    study = opened(folder)
    first, dice, batch = study.run("nothing", echo=False), random.Random(0), []
    for number in range(RUNS):
        if number % 3 == 0:
            config = {f"parameter_{place}": dice.choice([1, 2.5, "text", True]) for place in range(17)}
            config |= {"rate": dice.random(), "layers": [dice.randrange(9)] * 3,
                       "model": {"className": dice.choice(["Forest", "Support"])}}
        provenance = first.attempts[0].provenance | {"seeds": {"seed": number, "seeded": ["random"]}}
        batch.append(replace(first, uid=f"{number:032x}", config=config, seed=number % 3,
                             attempts=(replace(first.attempts[0], provenance=provenance),),
                             result=dice.random(), metrics={"result": 0.0, "loss": dice.random()}))
        if len(batch) == BATCH:
            study.store.restore(batch)
            batch.clear()
    study.close()


def opened(folder: Path) -> Any:
    from hyperspace_core.study import Study

    return Study("trivial", f"sqlite:///{folder}/runs.db")


def raw(folder: Path, limit: int) -> Any:
    import pandas as pd

    with sqlite3.connect(folder / "runs.db") as connection:
        rows = connection.execute(f"{SELECT} LIMIT {limit}").fetchall()
    flat = [{"run": run, "result": result, "seed": seed, **json.loads(config), **json.loads(metrics)}
            for run, result, config, metrics, seed in rows]
    return pd.DataFrame(flat).set_index("run")


def command(*words: str) -> Any:
    from hyperspace_core.cli.main import run

    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        return run([*words, "--project", "trivial"])


CASES: dict[str, Callable[[Path], Any]] = {
    "first page, raw SQL + pandas": lambda folder: raw(folder, PAGE),
    "first page, all runs comparable": lambda folder: repr(
        opened(folder).results("nothing", limit=PAGE, comparable="all")),
    "first page, strict": lambda folder: repr(opened(folder).results("nothing", limit=PAGE)),
    "`hyperspace results --limit 40`": lambda _: command("results", "nothing", "--limit", str(PAGE)),
    "`hyperspace results --limit 40`, of all tasks": lambda _: command("results", "--limit", str(PAGE)),
    "`hyperspace results --by run --comparable all --limit 40`": lambda _: command(
        "results", "nothing", "--by", "run", "--comparable", "all", "--limit", str(PAGE)),
    "frame of all, raw SQL + pandas": lambda folder: raw(folder, -1),
    "frame of all, comparable all": lambda folder: opened(folder).results(
        "nothing", comparable="all").to_frame(),
    "frame of all, strict": lambda folder: opened(folder).results("nothing").to_frame(),
    "grouped, strict": lambda folder: repr(opened(folder).results("nothing").grouped()),
}


def measured(name: str, folder: Path, answers: Any) -> None:
    begun = time.process_time()
    CASES[name](folder)
    answers.put((time.process_time() - begun, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024))


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        os.environ |= trivial_project(folder)
        sys.path.insert(0, str(folder))
        spawn = multiprocessing.get_context("spawn")
        builder = spawn.Process(target=filled, args=(folder,))
        builder.start()
        builder.join()
        found: dict[str, tuple[float, float]] = {}
        for case in CASES:
            answers = spawn.Queue()
            process = spawn.Process(target=measured, args=(case, folder, answers))
            process.start()
            found[case] = answers.get()
            process.join()
        whole, page = found["frame of all, raw SQL + pandas"][0], found["first page, raw SQL + pandas"][0]
        rows = []
        for case, (took, memory) in found.items():
            ratio = took / (page if "page" in case or "limit" in case else whole)
            rows.append((case, f"{took:6.2f} s  {ratio:6.1f} ×  {memory:5.0f} MB"))
        show(f"{RUNS:,} runs with 20 hyper-parameters", rows)


if __name__ == "__main__":
    main()
