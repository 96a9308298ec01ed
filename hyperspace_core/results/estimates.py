"""A mean and how far it can be trusted: Student's t interval, from the standard library alone.

Source: Abramowitz and Stegun, Handbook of Mathematical Functions, 26.5 and 26.7; the continued fraction of
the incomplete beta function is evaluated by Lentz's method.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

CONFIDENCE = 0.95
POWER = 0.8                    # how surely as many pairs as are asked for would show the effect
MOST = 1000                    # beyond it nobody would run that many
SIGNS = 6                      # so many of one sign come by chance in less than 5 % of all cases: 2 / 2**6
_ROUNDED = 1e-13
_TINY, _CLOSE, _STEPS = 1e-300, 1e-15, 500


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """The mean of `n` numbers. Of one alone nobody knows its spread, so that it has no interval."""

    n: int
    mean: float
    sd: float | None = None        # of the numbers, with n - 1
    low: float | None = None       # the 95 % confidence interval of the mean
    high: float | None = None

    @property
    def differs(self) -> bool:
        """Whether the interval leaves 0 out. Where all numbers are the same, the sign test has to say so."""
        if self.low is None or self.high is None:
            return False
        return (self.low > 0 or self.high < 0) and (self.sd != 0 or self.n >= SIGNS)


def difference(new: float, old: float) -> float:
    """0 for what differs only by how a mean was rounded."""
    return 0.0 if math.isclose(new, old, rel_tol=_ROUNDED) else new - old


def estimate(values: Sequence[float]) -> Estimate:
    """Of at least one number. NaN stays NaN: a config that diverges now and then has no mean."""
    count = len(values)
    if not all(map(math.isfinite, values)):
        return Estimate(n=count, mean=sum(values) / count)
    mean = math.fsum(value / count for value in values)
    if count < 2:
        return Estimate(n=count, mean=mean)
    sd = math.sqrt(math.fsum((value - mean) ** 2 for value in values) / (count - 1))
    half = t_quantile((1 + CONFIDENCE) / 2, count - 1) * sd / math.sqrt(count)
    return Estimate(n=count, mean=mean, sd=sd, low=mean - half, high=mean + half)


def numbers_needed(effect: float, sd: float) -> int | None:
    """How many numbers of that spread show, four times in five, a mean other than 0; None beyond `MOST`."""
    if not effect:
        return None
    if not sd:
        return SIGNS
    for count in range(2, MOST + 1):
        both = t_quantile((1 + CONFIDENCE) / 2, count - 1) + t_quantile(POWER, count - 1)
        if both * sd <= abs(effect) * math.sqrt(count):
            return count
    return None


@lru_cache(maxsize=4096)
def t_quantile(probability: float, freedom: int) -> float:
    """The value below which a t variable lies with this probability, from 0.5 on."""
    low, high = 0.0, 1.0
    while _below(high, freedom) < probability:
        low, high = high, 2 * high
    while True:
        middle = (low + high) / 2
        if not low < middle < high or high - low <= _CLOSE * high:
            return middle
        low, high = (middle, high) if _below(middle, freedom) < probability else (low, middle)


def _below(t: float, freedom: int) -> float:
    return 1 - _incomplete_beta(freedom / (freedom + t * t), freedom / 2, 0.5) / 2


def _incomplete_beta(x: float, a: float, b: float) -> float:
    """Regularized: from 0 at x = 0 to 1 at x = 1."""
    if x in (0.0, 1.0):
        return x
    if x > (a + 1) / (a + b + 2):              # there the fraction converges slowly, its mirror image fast
        return 1 - _incomplete_beta(1 - x, b, a)
    scale = (math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log1p(-x))
    return math.exp(scale) * _fraction(x, a, b) / a


def _fraction(x: float, a: float, b: float) -> float:
    upper, lower = 1.0, 1 / _not_zero(1 - (a + b) * x / (a + 1))
    found = lower
    for step in range(1, _STEPS):
        twice = a + 2 * step
        even = step * (b - step) * x / ((twice - 1) * twice)
        odd = -(a + step) * (a + b + step) * x / (twice * (twice + 1))
        for term in (even, odd):
            lower = 1 / _not_zero(1 + term * lower)
            upper = _not_zero(1 + term / upper)
            found *= upper * lower
        if abs(upper * lower - 1) < _CLOSE:
            break
    return found


def _not_zero(value: float) -> float:
    return value if abs(value) > _TINY else _TINY
