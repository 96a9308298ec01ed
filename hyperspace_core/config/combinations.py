"""Sums and products of values: counted without expansion, expanded lazily."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Leaf:
    value: Any
    size: int = 1

    def configs(self) -> Iterator[Any]:
        yield self.value


@dataclass(frozen=True)
class Sum:
    """Alternatives, one after the other."""

    nodes: tuple[Node, ...]

    @property
    def size(self) -> int:
        return sum(node.size for node in self.nodes)

    def configs(self) -> Iterator[Any]:
        for node in self.nodes:
            yield from node.configs()


@dataclass(frozen=True)
class Product:
    """All combinations of the items of a section, or of a list (`keys` is None)."""

    keys: tuple[Any, ...] | None
    nodes: tuple[Node, ...]

    @property
    def size(self) -> int:
        size = 1
        for node in self.nodes:
            size *= node.size
        return size

    def configs(self) -> Iterator[Any]:
        for values in self._combinations(0):
            yield values if self.keys is None else dict(zip(self.keys, values, strict=True))

    def _combinations(self, index: int) -> Iterator[list[Any]]:
        if index == len(self.nodes):
            yield []
            return
        for value in self.nodes[index].configs():
            for rest in self._combinations(index + 1):
                yield [value, *rest]


Node = Leaf | Sum | Product
