from __future__ import annotations

import math
from collections import Counter
from random import Random

from hypothesis import given, strategies as st

from hyperspace_core.ranges import Choice, Float, Int, Range
from hyperspace_tuning.sampling import evenly_spaced, sample_value
from hyperspace_tuning.space import identity, nearest_value, values_in

finite = st.floats(-1e9, 1e9)
positive = st.floats(1e-9, 1e9)


@st.composite
def ranges(draw: st.DrawFn) -> Range:
    kind = draw(st.sampled_from(["int", "log int", "float", "log float", "stepped", "choice"]))
    if kind == "choice":
        return Choice(*draw(st.lists(st.integers() | st.text(), min_size=1, max_size=5)))
    if kind in ("int", "log int"):
        low, high = sorted(draw(st.tuples(*[st.integers(1, 10**12)] * 2)))
        return Int(low, high, log=kind == "log int", step=draw(st.integers(1, 100)))
    low, high = sorted(draw(st.tuples(*[positive if kind == "log float" else finite] * 2)))
    step = draw(st.floats(1e-3, 1e3)) if kind == "stepped" else None
    return Float(low, high, log=kind == "log float", step=step)


@given(ranges(), st.integers())
def test_samples_lie_in_the_range_and_on_its_steps(range_: Range, seed: int) -> None:
    value = sample_value(range_, Random(seed))
    assert range_.contains(value)
    if isinstance(range_, Float) and range_.step is not None:
        steps = (value - range_.low) / range_.step
        assert math.isclose(steps, round(steps), abs_tol=1e-3)


@given(ranges(), st.integers(1, 9))
def test_evenly_spaced_values_are_distinct_and_reach_both_ends(range_: Range, steps: int) -> None:
    values = evenly_spaced(range_, steps)
    assert all(range_.contains(value) for value in values)
    if isinstance(range_, Choice):
        assert values == range_.values
        return
    assert list(values) == sorted(set(values))
    assert 1 <= len(values) <= min(steps, values_in(range_))
    if len(values) > 1 and not isinstance(range_, Float):
        assert values[0] == range_.low
        assert range_.high - values[-1] < range_.step


def test_logarithmic_ranges_are_spaced_by_magnitude() -> None:
    assert evenly_spaced(Float(1e-3, 1e3, log=True), 7) == (0.001, 0.01, 0.1, 1.0, 10.0, 100.0, 1000.0)
    assert evenly_spaced(Int(1, 1000, log=True), 4) == (1, 10, 100, 1000)
    assert evenly_spaced(Int(1, 3), 9) == (1, 2, 3)
    assert evenly_spaced(Float(0, 1, step=0.25), 3) == (0.0, 0.5, 1.0)


def test_every_value_of_a_small_range_is_drawn_about_as_often() -> None:
    rng = Random(0)
    for range_ in (Int(1, 4), Float(0, 1, step=0.25), Choice("a", "b", "c")):
        counts = Counter(sample_value(range_, rng) for _ in range(4000))
        assert len(counts) == values_in(range_)
        assert min(counts.values()) > 0.8 * 4000 / len(counts)


def test_logarithmic_draws_are_even_by_magnitude() -> None:
    rng = Random(0)
    for range_ in (Float(1e-2, 1e2, log=True), Int(1, 10**4, log=True)):
        middle = math.sqrt(range_.low * range_.high)
        below = sum(sample_value(range_, rng) < middle for _ in range(2000))
        assert 900 < below < 1100


def test_the_nearest_value_of_a_range_is_on_its_steps() -> None:
    assert nearest_value(Int(8, 64, step=8), 21) == 24
    assert nearest_value(Int(1, 8, step=3), 100) == 7
    assert nearest_value(Float(0, 1), -3) == 0.0


def test_only_equal_assignments_have_the_same_identity() -> None:
    assert identity({"a": 1, "b": [1, {"c": 2}]}) == identity({"b": [1, {"c": 2}], "a": 1})
    kinds = [identity({"a": value}) for value in (1, 1.0, True, "1", None, [1], [True], {"b": 1})]
    assert len(set(kinds)) == len(kinds)
