"""Combine the numbers of all parts."""

from __future__ import annotations

from collections.abc import Mapping

Numbers = Mapping[str, int | float]
SPREAD = "sd"


def together(parts: Mapping[str, Numbers]) -> dict[str, float]:
    """Combine to `accuracy` (mean), `accuracy/sd` (deviation), `accuracy/PART`: over
    the parts that have the number; the sample standard deviation needs two or more.
    """
    names = dict.fromkeys(name for numbers in parts.values() for name in numbers)
    values = {name: {part: float(numbers[name]) for part, numbers in parts.items() if name in numbers}
              for name in names}
    means = {name: sum(each.values()) / len(each) for name, each in values.items()}
    spreads = {f"{name}/{SPREAD}": _spread(list(each.values())) for name, each in values.items()
               if len(each) > 1}
    own = {f"{name}/{part}": value for name, each in values.items() for part, value in each.items()}
    return means | spreads | own


def _spread(values: list[float]) -> float:
    import statistics

    try:
        return statistics.stdev(values)
    except (AttributeError, OverflowError, ValueError):        # NaN and infinities, by Python version
        return float("nan")
