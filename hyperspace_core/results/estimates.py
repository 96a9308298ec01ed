"""Mean with its confidence interval by Student's t, without dependencies.

Source: Abramowitz and Stegun, Handbook of Mathematical Functions, 26.5 and 26.7; the continued fraction of
the incomplete beta function is evaluated by Lentz's method.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

CONFIDENCE = 0.95
POWER = 0.8                    # probability that the planned number of pairs shows the effect
MOST = 1000                    # largest number of pairs that is planned
SIGNS = 6                      # sign test: so many equal signs have a probability below 5 %: 2 / 2**6
_ROUNDED = 1e-13
_TINY, _CLOSE, _STEPS = 1e-300, 1e-15, 500


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """Mean of `n` numbers. One number has no known spread, hence no interval."""

    n: int
    mean: float
    sd: float | None = None        # standard deviation of the numbers, with n - 1
    low: float | None = None       # 95 % confidence interval of the mean
    high: float | None = None

    @property
    def differs(self) -> bool:
        """Whether the interval excludes 0; the sign test decides for equal numbers."""
        if self.low is None or self.high is None:
            return False
        return (self.low > 0 or self.high < 0) and (self.sd != 0 or self.n >= SIGNS)


def difference(new: float, old: float) -> float:
    """`new` - `old`; 0 if they differ only by rounding."""
    return 0.0 if math.isclose(new, old, rel_tol=_ROUNDED) else new - old


def estimate(values: Sequence[float]) -> Estimate:
    """Estimate the mean of at least one number; not finite if a number is not."""
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
    """Sample size that shows a non-zero mean with 80 % power; None beyond `MOST`."""
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
    """Quantile of Student's t distribution, for probabilities >= 0.5."""
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
    """Regularized incomplete beta function: 0 at x = 0, 1 at x = 1."""
    if x in (0.0, 1.0):
        return x
    if x > (a + 1) / (a + b + 2):              # the fraction converges slowly here, its mirror image fast
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
