from __future__ import annotations

import math

import pytest

from hyperspace_core.errors import RegistrationError
from hyperspace_core.ranges import Choice, Float, Int


def test_bounds_are_inclusive() -> None:
    assert Int(1, 3).contains(1)
    assert Int(1, 3).contains(3)
    assert not Int(1, 3).contains(4)
    assert Float(0, 1).contains(1)
    assert not Float(0, 1).contains(1.1)
    assert not Float(0, 1).contains(math.nan)


def test_steps() -> None:
    assert [n for n in range(12) if Int(1, 10, step=3).contains(n)] == [1, 4, 7, 10]


def test_types_are_kept_apart() -> None:
    assert not Int(0, 1).contains(True)
    assert not Int(0, 5).contains(1.0)
    assert not Float(0, 1).contains(True)
    assert not Choice(1, 2).contains(True)
    assert not Choice(1, 2).contains(1.0)
    assert Choice("a", None).contains(None)


@pytest.mark.parametrize(
    ("build", "cause"),
    [
        (lambda: Int(3, 1), "low <= high"),
        (lambda: Float(0, math.inf), "must be finite"),
        (lambda: Float(math.nan, 1), "must be finite"),
        (lambda: Float(0, 1, log=True), "needs low > 0"),
        (lambda: Int(0, 9, step=0), "step must be positive"),
        (lambda: Float(0, 1, step=-0.1), "step must be positive"),
        (lambda: Choice(), "name at least one"),
    ],
)
def test_ranges_that_make_no_sense(build, cause: str) -> None:
    with pytest.raises(RegistrationError, match=cause):
        build()


def test_ranges_are_values() -> None:
    assert Int(1, 2) == Int(1, 2)
    assert hash(Choice("a", "b")) == hash(Choice("a", "b"))
    assert Choice("a") != Choice("b")
