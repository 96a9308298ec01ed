"""The results, supported spaces and errors of each tuner."""

from __future__ import annotations

import random
import statistics
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

pytest.importorskip("optuna", reason="the tuners of this plugin need Optuna")

from problems import Problem, branin, conditional, hartmann6

from hyperspace_core.errors import ConfigError
from hyperspace_core.ranges import Choice, Float
from hyperspace_core.records.run import Metric
from hyperspace_tuning.samplers.naming import known_samplers
from hyperspace_tuning.samplers.tuners import GP, NSGAII, TPE, CmaEs, Sampler
from hyperspace_tuning.sampling import sample
from hyperspace_tuning.space import Assignment, Dimension, Space
from hyperspace_tuning.testing.tuners import conditional_space, drawn_history, flat_space, searched
from hyperspace_tuning.tuner import History, Trial, Tuner, next_proposal

RUNS, SEEDS = 100, 5


def best_by_chance(space: Space, loss: Callable[[Assignment], float]) -> float:
    """The median result of many random searches."""
    rng = random.Random(0)
    return statistics.median(min(loss(sample(space, rng)) for _ in range(RUNS)) for _ in range(51))


@pytest.mark.parametrize("problem", [branin, hartmann6, conditional])
def test_gp_needs_half_of_the_runs_for_a_better_result(problem: Callable[[], Problem]) -> None:
    tuned = problem()

    found = statistics.median(min(tuned.regret(trial.assignment) for trial in
                                  searched(GP(), tuned.space, tuned.regret, runs=RUNS // 2, seed=seed))
                              for seed in range(3))

    assert found < 0.4 * best_by_chance(tuned.space, tuned.regret)


@pytest.mark.parametrize(("make", "problem", "share"), [
    (TPE, branin, 0.5), (TPE, hartmann6, 0.5), (TPE, conditional, 0.5),
    (CmaEs, branin, 0.5), (CmaEs, hartmann6, 0.5),
    (NSGAII, branin, 1), (NSGAII, hartmann6, 1), (NSGAII, conditional, 1),
], ids=lambda one: getattr(one, "__name__", one))
def test_it_gets_nearer_to_the_minimum_than_random_search(make: type[Tuner], problem: Callable[[], Problem],
                                                          share: float) -> None:
    tuned = problem()

    found = statistics.median(min(tuned.regret(trial.assignment) for trial in
                                  searched(make(), tuned.space, tuned.regret, runs=RUNS, seed=seed))
                              for seed in range(SEEDS))

    assert found < share * best_by_chance(tuned.space, tuned.regret)


def test_nsga2_finds_more_of_a_front_than_random_search() -> None:
    """Two losses that pull x apart; y is good at 0 for both: the front is where y is 0."""
    space = Space(entries=tuple(Dimension(path=name, key=name, range=Float(0, 1)) for name in "xyz"))
    metrics = (Metric(name="left", goal="minimize"), Metric(name="right", goal="minimize"))

    def losses(at: Assignment) -> dict[str, float]:
        return {"left": at["x"] + at["y"] + at["z"], "right": 1 - at["x"] + at["y"] + at["z"]}

    tuner, rng, history = NSGAII(), random.Random(0), History(metrics=metrics)
    for _ in range(200):
        proposed = tuner.propose(space, history, rng)
        assert proposed is not None
        values = losses(proposed)
        done = Trial(assignment=proposed, state="completed", value=values["left"], values=values)
        history = replace(history, trials=(*history.trials, done))

    late = [trial.assignment for trial in history.trials[-40:]]
    assert statistics.median(one["y"] + one["z"] for one in late) < 0.4           # at random it is 1
    assert max(one["x"] for one in late) - min(one["x"] for one in late) > 0.5    # both ends of the front


@pytest.mark.parametrize("make", [GP, TPE])
def test_pending_trials_repel_new_proposals(make: type[Tuner]) -> None:
    """The optimum is 0.2; eight pending trials there lower the expected improvement nearby."""
    space = Space(entries=(Dimension(path="x", key="x", range=Float(0, 1)),))
    done = History(metrics=(Metric(name="loss", goal="minimize"),), trials=tuple(
        Trial(assignment={"x": n / 40}, state="completed", value=abs(n / 40 - 0.2)) for n in range(40)))
    pending = tuple(Trial(assignment={"x": 0.19 + n / 400}, state="pending") for n in range(8))

    def away(history: History) -> float:
        return statistics.median(abs((make().propose(space, history, random.Random(seed)) or {})["x"] - 0.2)
                                 for seed in range(30))

    assert away(replace(done, trials=done.trials + pending)) > 1.5 * away(done)


@pytest.mark.parametrize("make", [GP, TPE])
def test_neighbours_of_a_tried_optimum_are_proposed(make: type[Tuner]) -> None:
    """At random, one of 61 proposals is among the 12 neighbours of the best of 729."""
    space = Space(entries=tuple(Dimension(path=name, key=name, range=Choice(0, 1, 2)) for name in "abcdef"))
    rng = random.Random(0)
    tried = {tuple(one.items()): one for one in
             [dict.fromkeys("abcdef", 0), *({**dict.fromkeys("abcdef", 0), name: 1} for name in "abcdef"),
              *(sample(space, rng) for _ in range(60))]}
    history = History(metrics=(Metric(name="loss", goal="minimize"),), trials=tuple(
        Trial(assignment=one, state="completed", value=float(sum(one.values()))) for one in tried.values()))

    proposals = [next_proposal(make(), space, history, random.Random(seed)) for seed in range(10)]

    found = [one.assignment for one in proposals if one is not None]
    assert len(found) == 10
    assert all(tuple(one.items()) not in tried for one in found)
    assert statistics.median(sum(one.values()) for one in found) <= 3          # 6 at random


@pytest.mark.parametrize("make", [GP, TPE])
def test_a_pruned_trial_counts_as_worse_than_a_finished_one(make: type[Tuner]) -> None:
    space = Space(entries=(Dimension(path="x", key="x", range=Float(0, 1)),))
    finished = [Trial(assignment={"x": 0.8 + n / 100}, state="completed", value=0.5) for n in range(10)]
    pruned = [Trial(assignment={"x": 0.1 + n / 100}, state="pruned", value=0.9) for n in range(10)]
    history = History(trials=(*finished, *pruned))

    proposed = [make().propose(space, history, random.Random(seed)) or {} for seed in range(20)]

    assert statistics.median(one["x"] for one in proposed) > 0.5


@pytest.mark.parametrize("make", [GP, TPE])
def test_a_cached_study_gives_the_same_answer_as_a_new_one(make: type[Tuner]) -> None:
    rng, tuner, trials = random.Random(4), make(), list(drawn_history(conditional_space(), 60).trials)
    for step in range(40):
        match rng.randrange(4):
            case 0:
                trials.pop(rng.randrange(len(trials)))
            case 1:
                index = rng.randrange(len(trials))
                trials[index] = replace(trials[index], state="completed", value=rng.random())
            case _:
                trials.append(Trial(assignment=sample(conditional_space(), rng), state="pending"))
        history = History(trials=tuple(trials))
        assert tuner.propose(conditional_space(), history, random.Random(step)) == make().propose(
            conditional_space(), history, random.Random(step))


# -- errors -------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("make", [CmaEs])
def test_a_conditional_space_is_refused_in_one_line(make: type[Tuner]) -> None:
    with pytest.raises(ConfigError, match=r"`method\[\w+\]\.size` exists under some choices.*choose TPE"):
        make().check(conditional_space(), (Metric(),))


def test_cma_es_takes_numbers_only() -> None:
    space = Space(entries=(Dimension(path="kind", key="kind", range=Choice("a", "b")),))

    with pytest.raises(ConfigError, match="CmaEs: `kind` is a choice, and CmaEs takes numbers only"):
        CmaEs().check(space, (Metric(),))


@pytest.mark.parametrize(("name", "settings", "message"), [
    ("TPESamplr", {}, "did you mean 'TPESampler'"),
    ("os.system", {}, r"no sampler 'os\.system'"),
    ("BaseSampler", {}, "no sampler 'BaseSampler'"),
    ("nsgaii", {}, "no sampler 'nsgaii'"),
    ("GridSampler", {}, "no sampler 'GridSampler'"),
    ("CmaEsSampler", {}, "use the tuner CmaEs"),
    ("QMCSampler", {}, "use the tuner Random"),
    ("TPESampler", {"sed": 1}, r"Sampler\.settings\.sed"),
    ("TPESampler", {"seed": 1}, "the seed comes from the search"),
    ("NSGAIISampler", {"population_size": 1}, r"Sampler\.settings: NSGAIISampler refuses them:"),
])
def test_an_unknown_sampler_or_setting_is_refused_in_one_line(name: str, settings: dict[str, Any],
                                                              message: str) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        Sampler(name, settings).check(flat_space(), (Metric(),))

    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", sorted(known_samplers()))
def test_every_known_sampler_proposes(name: str) -> None:
    if name == "GPSampler":
        pytest.importorskip("torch", reason="GPSampler needs PyTorch")
    space = Space(entries=tuple(Dimension(path=key, key=key, range=Choice(1, 2, 3)) for key in "ab"))
    tuner = Sampler(name)
    tuner.check(space, (Metric(),))

    proposed = tuner.propose(space, drawn_history(space, 30), random.Random(0))

    assert proposed is not None
    assert space.problems(proposed) == ()


def test_a_sampler_gets_its_settings() -> None:
    made = Sampler("NSGAIIISampler", {"population_size": 7}).fresh_sampler(1, flat_space())

    assert made.population_size == 7


# -- import time --------------------------------------------------------------------------------------------

def test_tuners_are_registered_without_importing_optuna() -> None:
    code = ("import sys; from hyperspace_core.extension.register import Register, Registered; "
            "from hyperspace_tuning.plugin import hyperspace_register; "
            "from hyperspace_tuning.tuner import Tuner; contents = Registered(); "
            "hyperspace_register(Register(contents, origin='here', project='p')); "
            "print(*sorted(one.name for one in contents.registry.entries(Tuner))); "
            "print(*{'optuna', 'numpy', 'scipy', 'cmaes', 'torch'} & set(sys.modules))")

    shown = subprocess.run([sys.executable, "-c", code], text=True, capture_output=True, check=True).stdout

    assert shown.splitlines() == ["CmaEs GP Grid NSGAII Random Sampler TPE", ""]
