"""Registering a metric for stored predictions."""

from __future__ import annotations

import pytest

from hyperspace_core.errors import RegistrationError
from hyperspace_core.extension.register import Register, Registered


@pytest.mark.parametrize(("name", "function", "goal", "words"), [
    ("", abs, "maximize", "expected a name of one"), ("m", abs, "best", "expected 'maximize'"),
    ("m", 3, "maximize", "expected a function"), ("m", abs, "maximize", "passed by name"),
])
def test_an_invalid_metric_is_refused(name: str, function: object, goal: str, words: str) -> None:
    with pytest.raises(RegistrationError, match=words):
        Register(Registered(), origin="here", project="p").metric(name, function, goal)


def test_two_functions_cannot_have_one_name() -> None:
    register = Register(Registered(), origin="here", project="p")
    register.metric("m", lambda y_true: 0.0)

    with pytest.raises(RegistrationError, match="registered already by here"):
        register.metric("m", lambda y_true: 1.0)
