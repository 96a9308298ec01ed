"""Parity of a rewritten class with the old one, on past runs."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from draining import drained
from hyperspace_core.errors import NotFound, UnknownClassError, UsageError
from hyperspace_core.study import Study
from hyperspace_reproduce.parity import parity, planned
from pytest_hyperspace.project import ProjectFolder

REWRITTEN = """

@dataclass
class FastLinear(Model):
    gain: float = 2.0

    def predict(self, x):
        return self.gain * scaled(x){}
"""


@pytest.fixture
def ran(study: Callable[[], Study], project: ProjectFolder) -> Callable[[str], Study]:
    """Store three runs of Linear and one of Square; then add a class."""
    first = study()
    for gain in (1.0, 2.0, 3.0):
        first.submit("mean", {"model": {"className": "Linear", "gain": gain}})
    first.submit("mean", {"model": "Square"})
    drained(first, isolation="warm")

    def added(extra: str) -> Study:
        text = (project.package / "components.py").read_text() + REWRITTEN.format(extra)
        project.write("components.py", text)
        return study()

    return added


def test_a_class_with_equal_results_is_reported_as_same(ran: Callable[[str], Study]) -> None:
    study = ran("")

    pairs = parity(study, "Linear", "FastLinear", last=2)

    assert [pair.before.id for pair in pairs] == [3, 2] and all(pair.same for pair in pairs)
    assert [pair.now and pair.now.config for pair in pairs] == [
        {"model": {"className": "FastLinear", "gain": gain}, "noise": 0.1} for gain in (3.0, 2.0)]
    assert len(study.results(states=())) == 4


def test_a_class_with_other_results_names_the_difference(ran: Callable[[str], Study]) -> None:
    pairs = parity(ran(" + 1e-3"), "Linear", "FastLinear")

    assert [pair.same for pair in pairs] == [False] * 3
    assert all(str(pair.verdict and pair.verdict.first).startswith("total, point 1 ") for pair in pairs)
    assert all(pair.same for pair in parity(ran(" + 1e-3"), "Linear", "FastLinear", tolerance=0.1))


def test_a_config_invalid_for_the_new_class_is_reported(ran: Callable[[str], Study]) -> None:
    pairs = parity(ran(""), "Linear", "Square")

    assert all(pair.problem.startswith("`model.gain`: ") for pair in pairs)
    assert not any(pair.same for pair in pairs)


def test_unknown_class_names_are_refused(ran: Callable[[str], Study]) -> None:
    study = ran("")

    with pytest.raises(UnknownClassError, match="no component 'FastLinar' in project 'tampered'"):
        planned(study, "Linear", "FastLinar")
    with pytest.raises(NotFound, match="no completed run used a class 'Linar'"):
        planned(study, "Linar", "FastLinear")
    with pytest.raises(UsageError, match="last: expected a whole number >= 1, got 0"):
        planned(study, "Linear", "FastLinear", last=0)
    with pytest.raises(NotFound, match=r"no completed run used a class 'FastLinear'$"):
        planned(study, "FastLinear", "Linear")
    for tolerance in (-1.0, float("nan")):
        with pytest.raises(UsageError, match="tolerance: expected a number >= 0, got "):
            parity(study, "Linear", "FastLinear", tolerance=tolerance)
