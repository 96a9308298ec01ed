"""A factory for a component whose remaining arguments only run time knows."""

from __future__ import annotations

import copy
from typing import Any, Generic, TypeVar

F = TypeVar("F")


class Lazy(Generic[F]):
    """`aggregation: Lazy[Aggregation]` receives one; `aggregation(dv=400)` builds a fresh object each time.

    Written by hand, without the framework: `Lazy(Bottleneck, layers=[50])`. Arguments of the call win over
    those that the config named.
    """

    def __init__(self, target: type[F], /, **arguments: Any) -> None:
        self.target = target
        self.arguments = arguments

    def __call__(self, **arguments: Any) -> F:
        # what the config named is copied, so that two objects never share a list
        merged = copy.deepcopy({k: v for k, v in self.arguments.items() if k not in arguments}) | arguments
        return self.target(**merged)

    def __repr__(self) -> str:
        named = "".join(f", {name}={value!r}" for name, value in self.arguments.items())
        return f"Lazy({self.target.__name__}{named})"
