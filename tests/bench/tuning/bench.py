"""Regret of the tuners by number of runs, compared with plain Optuna.

- cold: without history
- warm: 100 runs of a coarse grid are known; only later runs count
- added: after 50 runs a parameter is added; our history is back-filled with its old value, Optuna's past
  trials do not have it
- parallel: eight runs at a time, ending in any order

Each finished curve is appended to a file and not computed again, so an interrupted benchmark continues.
`report.py` makes tables of the file. `--seeds 5` gives a short run.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")       # Optuna needs it, ours does not

from optuna.samplers import TPESampler
from problems import Problem, all_problems
from searchers import Ours, Plain, Searcher

from hyperspace_tuning.samplers.tuners import GP, TPE, conditional

PAST, WORKERS, ADDED = 100, 8, 50
RUNS = {"cold": 100, "warm": 34, "added": 75, "parallel": 100}
Start = Callable[[Problem, int], Searcher]

SYSTEMS: dict[str, Start] = {
    "GP": lambda problem, seed: Ours(GP, problem.space, seed),
    "Optuna": lambda problem, seed: Plain(lambda s: TPESampler(seed=s), problem.space, seed),
    "Optuna, grouped": lambda problem, seed: Plain(
        lambda s: TPESampler(seed=s, multivariate=True, group=True), problem.space, seed),
    "TPE": lambda problem, seed: Ours(TPE, problem.space, seed),
}


def cold(problem: Problem, start: Start, seed: int, runs: int) -> Iterator[float]:
    yield from one_by_one(problem, start(problem, seed), runs)


def warm(problem: Problem, start: Start, seed: int, runs: int) -> Iterator[float]:
    searcher = start(problem, seed)
    past = problem.past(PAST, random.Random(seed))
    searcher.past([(one, problem.regret(one)) for one in past])
    yield from one_by_one(problem, searcher, runs)


def added(problem: Problem, start: Start, seed: int, runs: int) -> Iterator[float]:
    searcher, whole = start(problem, seed), problem.space
    searcher.grow(problem.without(), {})
    for number in range(runs):
        if number == ADDED:
            searcher.grow(whole, {problem.added: problem.before})
        ticket, assignment = searcher.ask()
        full = whole.walk(lambda one, at=assignment: at.get(one.path, problem.before))
        value = problem.regret(full)
        searcher.tell(ticket, value)
        yield value


def parallel(problem: Problem, start: Start, seed: int, runs: int) -> Iterator[float]:
    searcher, rng = start(problem, seed), random.Random(seed)
    going: list[tuple[int, float]] = []
    for number in range(runs + WORKERS):
        if number < runs:
            ticket, assignment = searcher.ask()
            going.append((ticket, problem.regret(assignment)))
        if len(going) == WORKERS or (going and number >= runs):
            ticket, value = going.pop(rng.randrange(len(going)))
            searcher.tell(ticket, value)
            yield value


def one_by_one(problem: Problem, searcher: Searcher, runs: int) -> Iterator[float]:
    for _ in range(runs):
        ticket, assignment = searcher.ask()
        value = problem.regret(assignment)
        searcher.tell(ticket, value)
        yield value


MODES = {"cold": cold, "warm": warm, "added": added, "parallel": parallel}


def curve(problem: Problem, mode: str, system: str, seed: int) -> list[float]:
    """Lowest regret after 1, 2, … runs."""
    best, found = float("inf"), []
    for value in MODES[mode](problem, SYSTEMS[system], seed, RUNS[mode]):
        best = min(best, value)
        found.append(best)
    return found


def pairs(mode: str) -> Iterator[tuple[Problem, str]]:
    """Problems and the systems to run on them; our TPE only in cold and warm mode."""
    for problem in all_problems():
        for system in SYSTEMS:
            if (system != "Optuna, grouped" or conditional(problem.space)) and (
                    system != "TPE" or mode in ("cold", "warm")):
                yield problem, system


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=Path, help="file of the curves, one JSON document a line")
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--modes", nargs="*", default=list(MODES), choices=list(MODES))
    parser.add_argument("--systems", nargs="*", default=list(SYSTEMS), choices=list(SYSTEMS))
    parser.add_argument("--problems", nargs="*", default=[""], help="name prefixes [default: all]")
    chosen = parser.parse_args()
    lines = chosen.file.read_text(encoding="utf-8").splitlines() if chosen.file.exists() else []
    there = {tuple(json.loads(line)[key] for key in ("mode", "problem", "system", "seed")) for line in lines}
    for mode in chosen.modes:
        for problem, system in pairs(mode):
            if system not in chosen.systems or not problem.name.startswith(tuple(chosen.problems)):
                continue
            for seed in range(chosen.seeds):
                if (mode, problem.name, system, seed) in there:
                    continue
                began = time.process_time()
                found = curve(problem, mode, system, seed)
                entry = {"mode": mode, "problem": problem.name, "system": system, "seed": seed,
                         "seconds": round(time.process_time() - began, 2), "regret": found}
                with chosen.file.open("a", encoding="utf-8") as out:
                    print(json.dumps(entry), file=out)
            print(mode, problem.name, system, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
