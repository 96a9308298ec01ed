"""The rules of core's pruners, with numbers that can be checked by hand."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pytest

from hyperspace_core.errors import ConfigError
from hyperspace_core.records.run import Metric
from hyperspace_tuning.builtin import AsRecorded, Median, SuccessiveHalving
from hyperspace_tuning.pruner import CurveBuilder, Peer, PeerState, curve_of
from hyperspace_tuning.testing.pruners import stopped_at


def peer(values: Sequence[float], state: PeerState = "completed", first: int = 1) -> Peer:
    return Peer(run=1, state=state, curve=curve_of(enumerate(values, first)))


def numbered(values: Sequence[float]) -> list[tuple[int | None, float]]:
    return list(enumerate(values, 1))


# -- the median rule -----------------------------------------------------------------------------------------


def test_the_best_value_is_compared_with_the_median_of_means() -> None:
    # means at step 2: 1.5, 2.5, 3.5
    peers = [peer([1, 2]), peer([2, 3]), peer([3, 4])]
    rule = Median(startup_runs=3)

    assert rule.should_stop(curve_of(numbered([2.4, 0.0])), peers, "maximize")
    assert not rule.should_stop(curve_of(numbered([2.5, 0.0])), peers, "maximize")     # only a worse value
    assert rule.should_stop(curve_of(numbered([9.0, 2.6])), peers, "minimize")
    assert not rule.should_stop(curve_of(numbered([9.0, 2.5])), peers, "minimize")


def test_with_an_even_number_the_worse_middle_value_counts() -> None:
    peers = [peer([value]) for value in (1, 2, 3, 4)]
    rule = Median(startup_runs=1)

    assert not rule.should_stop(curve_of(numbered([2.0])), peers, "maximize")
    assert rule.should_stop(curve_of(numbered([1.9])), peers, "maximize")
    assert not rule.should_stop(curve_of(numbered([3.0])), peers, "minimize")
    assert rule.should_stop(curve_of(numbered([3.1])), peers, "minimize")


def test_only_completed_runs_that_reached_the_step_count() -> None:
    good = [peer([5.0, 5.0])] * 4
    others = [peer([5.0, 5.0], state) for state in ("running", "pruned", "failed", "cancelled")]
    short = [peer([5.0])]
    curve = curve_of(numbered([0.0, 0.0]))

    assert not Median().should_stop(curve, [*good, *others, *short], "maximize")
    assert Median().should_stop(curve, [*good, *good], "maximize")
    assert Median(startup_runs=4).should_stop(curve, good, "maximize")
    assert not Median(startup_runs=0).should_stop(curve, [], "maximize")


def test_before_the_warmup_no_peer_is_read() -> None:
    class Untouchable(list[Peer]):
        def __iter__(self) -> object:  # type: ignore[override]
            raise AssertionError("the peers were asked for")

    rule = Median(warmup_steps=3, startup_runs=1)

    assert not rule.should_stop(curve_of(numbered([0.0, 0.0])), Untouchable(), "maximize")
    assert stopped_at(rule, numbered([0.0] * 9), [peer([1.0] * 9)], "maximize") == 3


# -- successive halving --------------------------------------------------------------------------------------


def test_at_each_rung_the_best_third_passes() -> None:
    rule = SuccessiveHalving(min_steps=2)
    peers = [peer([value] * 20) for value in (1, 2, 3, 4, 5)]

    # six at rung 2 with the run itself: the best two pass; 3.5 is the third
    assert stopped_at(rule, numbered([9.0, 3.5]), peers, "maximize") == 2
    assert stopped_at(rule, numbered([0.0, 4.5, 0.0, 0.0, 0.0, 0.0]), peers, "maximize") == 6
    assert stopped_at(rule, numbered([0.0, 4.0, *[4.5] * 18]), peers, "maximize") is None   # as good as 4


def test_all_runs_that_reached_the_rung_count() -> None:
    states: tuple[PeerState, ...] = ("running", "pruned", "failed", "cancelled", "completed")
    peers = [peer([value], state) for value, state in zip((1, 2, 3, 4, 5), states, strict=True)]
    rule = SuccessiveHalving()

    assert stopped_at(rule, numbered([3.5]), peers, "maximize") == 1
    assert stopped_at(rule, numbered([4.0]), peers, "maximize") is None
    assert stopped_at(rule, numbered([2.5]), peers, "minimize") == 1
    assert stopped_at(rule, numbered([1.5]), peers, "minimize") is None


def test_with_few_runs_at_a_rung_only_the_best_passes() -> None:
    rule = SuccessiveHalving(reduction=4)

    assert stopped_at(rule, numbered([1.0]), [peer([2.0])], "maximize") == 1
    assert stopped_at(rule, numbered([2.5]), [peer([2.0]), peer([1.0])], "maximize") is None


def test_a_run_is_judged_once_at_a_rung_also_when_late() -> None:
    rule = SuccessiveHalving(min_steps=2, reduction=2)
    tracing = CurveBuilder(numbered([1.0, 1.0, 1.0]))
    better = [peer([2.0, 2.0, 2.0])]

    assert rule.should_stop(tracing.curve(asked=-1), better, "maximize")       # rung 2 lies between
    assert rule.should_stop(tracing.curve(asked=1), better, "maximize")
    assert not rule.should_stop(tracing.curve(asked=2), better, "maximize")    # it passed when it reached it


def test_sparse_steps_reach_the_rung_with_the_next_one() -> None:
    rule = SuccessiveHalving(min_steps=100, reduction=3)
    values: list[tuple[int | None, float]] = [(80, 0.0), (160, 5.0), (240, 5.0), (320, 1.0)]

    assert stopped_at(rule, values, [peer([4.0] * 500)], "maximize") == 320


@pytest.mark.parametrize(("name", "value"), [("min_steps", 0), ("reduction", 1)])
def test_rungs_that_never_rise_are_refused(name: str, value: int) -> None:
    with pytest.raises(ConfigError, match=f"`{name}`: expected at least"):
        SuccessiveHalving(**{name: value})


# -- the rest ------------------------------------------------------------------------------------------------


def test_nan_is_the_worst_of_all() -> None:
    peers = [peer([math.nan]), peer([-1e9])]

    assert stopped_at(SuccessiveHalving(reduction=2), numbered([math.nan]), peers, "maximize") == 1
    assert stopped_at(Median(startup_runs=1), numbered([math.nan]), peers[1:], "maximize") == 1


def test_as_recorded_counts_values_not_steps() -> None:
    assert stopped_at(AsRecorded(values=3), [(5, 1.0), (5, 1.0), (9, 1.0), (10, 1.0)], [], "maximize") == 9


def test_another_series_needs_a_direction_of_its_own() -> None:
    own = Metric(name="accuracy")

    assert Median().watched(own) == own
    assert Median(metric="accuracy").watched(own) == own
    assert Median(metric="loss", goal="minimize").watched(own) == Metric(name="loss", goal="minimize")
    with pytest.raises(ConfigError, match=r"watches `loss`.*give its goal, 'maximize' or 'minimize'"):
        Median(metric="loss").watched(own)
