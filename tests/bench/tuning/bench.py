"""How good the tuners are: regret after so many runs, beside Optuna used directly with the same seeds.

- cold: nothing is known at first
- warm: 100 runs of a coarse grid are known; how many runs until it is as good as the cold search at its end
- added: a parameter is added in the middle; our history is back-filled with its former value, Optuna has its
  past trials without it
- parallel: eight runs go on at any time and end in any order

Each line is the median of all seeds, in brackets the quartiles. `--seeds 5` for a short look.
"""

from __future__ import annotations

import argparse
import random
import statistics
import time
from collections.abc import Callable, Iterator

from optuna.samplers import TPESampler
from problems import Problem, all_problems
from searchers import Ours, Plain, Searcher

from hyperspace_optuna.tuners import TPE

PAST, WORKERS = 100, 8
Curve = list[float]                # lowest regret after 1, 2, … runs
Start = Callable[[Problem, int], Searcher]

SYSTEMS: dict[str, Start] = {
    "ours, TPE": lambda problem, seed: Ours(TPE, problem.space, seed),
    "Optuna, TPE": lambda problem, seed: Plain(lambda s: TPESampler(seed=s), problem.space, seed),
    "Optuna, TPE grouped": lambda problem, seed: Plain(
        lambda s: TPESampler(seed=s, multivariate=True, group=True), problem.space, seed),
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
        if number == runs // 2:
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


def curves(problem: Problem, mode: str, system: str, seeds: int, runs: int) -> list[Curve]:
    found = []
    for seed in range(seeds):
        best, curve = float("inf"), []
        for value in MODES[mode](problem, SYSTEMS[system], seed, runs):
            best = min(best, value)
            curve.append(best)
        found.append(curve)
    return found


def at(found: list[Curve], run: int) -> str:
    values = sorted(curve[run - 1] for curve in found)
    low, middle, high = statistics.quantiles(values, n=4, method="inclusive")
    return f"{middle:.4f} [{low:.4f} {high:.4f}]"


def runs_until(found: list[Curve], goal: float) -> str:
    """In the median of the seeds; none where half of them never get there."""
    never = len(found[0]) + 1
    counts = [next((run for run, value in enumerate(curve, start=1) if value <= goal), never)
              for curve in found]
    middle = statistics.median_high(counts)
    return "-" if middle == never else str(middle)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--runs", type=int, default=100)
    parser.add_argument("--modes", nargs="*", default=list(MODES), choices=list(MODES))
    parser.add_argument("--problems", nargs="*", help="beginnings of names")
    chosen = parser.parse_args()
    began, points = time.perf_counter(), [chosen.runs // 4, chosen.runs // 2, chosen.runs]
    print(f"lowest regret after so many runs, median [quartiles] of {chosen.seeds} seeds")
    for problem in all_problems():
        if chosen.problems and not problem.name.startswith(tuple(chosen.problems)):
            continue
        print(f"\n{problem.name:<30}" + "".join(f"{point:<26}" for point in points) + "as cold at its end")
        goals: dict[str, float] = {}
        for mode in chosen.modes:
            for system in SYSTEMS:
                found = curves(problem, mode, system, chosen.seeds, chosen.runs)
                if mode == "cold":
                    goals[system] = statistics.median(curve[-1] for curve in found)
                until = runs_until(found, goals[system]) if system in goals else ""
                columns = "".join(f"{at(found, point):<26}" for point in points)
                print(f"{mode:<9}{system:<21}{columns}{until}", flush=True)
    print(f"\n{time.perf_counter() - began:.0f} s")


if __name__ == "__main__":
    main()
