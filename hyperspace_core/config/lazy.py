"""A factory for a component with arguments that are only known at run time."""

from __future__ import annotations

import copy
from typing import Any, Generic, TypeVar

F = TypeVar("F")


class Lazy(Generic[F]):
    """A factory: for `pool: Lazy[Pool]`, `pool(dv=400)` builds a `Pool`.

    Each call builds a new object; its arguments override those of the config. Without the framework it is
    written `Lazy(Bottleneck, layers=[50])`.
    """

    def __init__(self, target: type[F], /, **arguments: Any) -> None:
        self.target = target
        self.arguments = arguments

    def __call__(self, **arguments: Any) -> F:
        # arguments of the config are copied, so that two objects never share a list
        merged = copy.deepcopy({k: v for k, v in self.arguments.items() if k not in arguments}) | arguments
        return self.target(**merged)

    def __repr__(self) -> str:
        named = "".join(f", {name}={value!r}" for name, value in self.arguments.items())
        return f"Lazy({self.target.__name__}{named})"
