"""The base of all test classes: fixtures, limits, and odd values to store."""

from __future__ import annotations

import math
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from inspect import signature
from typing import Any, ClassVar, TypeVar

import pytest
from hypothesis import settings, strategies as st

from hyperspace_core.storage import Capability, Maintenance, Migrations, Searches, Sources, Store
from pytest_hyperspace.stores.harness import Harness, ProcessGroup


@dataclass(frozen=True, kw_only=True)
class Backend:
    """How the suite opens one kind of store."""

    new_url: Callable[[], str]     # the address of a new, empty store at each call
    open: Callable[[str], Store]   # importable by name: other processes call it


Test = TypeVar("Test")
CAPABILITIES: tuple[type[Capability], ...] = (Sources, Searches, Migrations, Maintenance)
_NEEDED: dict[Any, type[Capability]] = {}      # class of tests, or test → the capability that it needs


def for_stores_with(capability: type[Capability]) -> Callable[[Test], Test]:
    """Mark a class of tests, or one test, for stores that declare this capability."""

    def mark(tests: Test) -> Test:
        _NEEDED[tests] = capability
        return tests

    return mark


class StoreTests:
    """A subclass defines the fixture `backend`; see `pytest_hyperspace.stores`.

    A subclass for a store that has fewer capabilities, or that other processes cannot open, says so, and has
    no tests of what its store does not have.
    """

    declares: ClassVar[tuple[type[Capability], ...]] = CAPABILITIES
    processes: ClassVar[bool] = True       # whether other processes can open the store

    claim_runs: ClassVar[int] = 2000       # queued runs in the race for claims
    claim_processes: ClassVar[int] = 8     # processes that claim them
    max_claimers: ClassVar[int] = 32       # processes that claim the same single run
    many_runs: ClassVar[int] = 1500        # submitted and deleted in one call
    many_points: ClassVar[int] = 100_000   # metric points of one attempt
    wait_s: ClassVar[float] = 0.1          # a submission by another process is noticed within this time
    examples: ClassVar[int] = 60           # examples of each property
    sequences: ClassVar[int] = 100           # random sequences of `sequence_steps` verbs
    sequence_steps: ClassVar[int] = 40

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        for name in [name for name in dir(cls) if name.startswith("test_")]:
            if not cls._is_declared(name):
                setattr(cls, name, None)   # not collected

    @classmethod
    def _is_declared(cls, name: str) -> bool:
        """Whether the store declares what a test needs."""
        test, home = getattr(cls, name), next(base for base in cls.__mro__ if name in vars(base))
        if not {_NEEDED[one] for one in (home, test) if one in _NEEDED} <= set(cls.declares):
            return False
        return cls.processes or test is None or "start_processes" not in signature(test).parameters

    @pytest.fixture
    def backend(self) -> Backend:
        pytest.fail("define the fixture `backend`: a Backend with addresses of new stores and their opener")

    @pytest.fixture
    def url(self, backend: Backend) -> str:
        """The address of `store`."""
        return backend.new_url()

    @pytest.fixture
    def store(self, backend: Backend, url: str) -> Iterator[Store]:
        """A new, empty store."""
        with backend.open(url) as opened:
            yield opened

    @pytest.fixture
    def other(self, backend: Backend, url: str, store: Store) -> Iterator[Store]:
        """The same store, opened a second time."""
        with backend.open(url) as opened:
            yield opened

    @pytest.fixture
    def harness(self, store: Store) -> Harness:
        return Harness(store)

    @pytest.fixture
    def start_processes(self, backend: Backend, url: str,
                        store: Store) -> Iterator[Callable[..., ProcessGroup]]:
        """Start processes on the store: `start_processes(work, [arguments of each])`.

        They end with the test.
        """
        started: list[ProcessGroup] = []

        def start(work: Callable[..., Any], arguments: list[tuple[Any, ...]]) -> ProcessGroup:
            started.append(ProcessGroup(backend.open, url, work, arguments))
            return started[-1]

        yield start
        for one in started:
            one.end()

    def property_settings(self) -> settings:
        """Hypothesis settings: as many examples as the backend's limits allow, without deadlines."""
        return settings(max_examples=self.examples, deadline=None)


# -- Values that every store must keep, and their equality ----

LOWEST, HIGHEST = -(2**63), 2**63 - 1

ODD_KEYS = (
    "", ".", "a.b", "$", "$where", "$a.$b", "%", "%2E", "%24x", "_id", "_id.x", "__proto__", "className", " ",
    "\n", "'", '"; DROP TABLE runs; --', "\\", "ключ", "\u00e9", "e\u0301", "\u200f", "\u202e", "\ufeff",
    "😀", "\U0010ffff", "\x7f", "\x01",
)
ODD_TEXTS = (
    *ODD_KEYS, "\0", "a\0b", "NaN", "Infinity", "-0.0", "null", "$$ROOT", "$name", "1e999", "x" * 5000,
)
ODD_NUMBERS = (
    math.nan, math.inf, -math.inf, 0.0, -0.0, 5e-324, 1.7976931348623157e308, 0.1, 1.0, 2.0**53, 1e16,
    0, 1, -1, 2**31, 2**53 + 1, LOWEST, HIGHEST,
)

_letters = st.characters(exclude_categories=["Cs"])
texts = st.sampled_from(ODD_TEXTS) | st.text(_letters, max_size=20)
keys = st.sampled_from(ODD_KEYS) | st.text(_letters.filter(lambda letter: letter != "\0"), max_size=12)
numbers = st.sampled_from(ODD_NUMBERS) | st.integers(LOWEST, HIGHEST) | st.floats()
leaves = st.none() | st.booleans() | numbers | texts
values = st.recursive(
    leaves, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(keys, inner, max_size=4),
    max_leaves=16)
trees = st.dictionaries(keys, values, max_size=5)


def short(value: Any) -> str:
    """A name for a test of one value."""
    return ascii(value)[:24]


def same(one: Any, other: Any) -> bool:
    """Equal in type and bits at all levels; every NaN equals every NaN."""
    if type(one) is not type(other):
        return False
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, float):
        return (math.isnan(one) and math.isnan(other)) or struct.pack("d", one) == struct.pack("d", other)
    return bool(one == other)


def nested(levels: int) -> Any:
    """A value with many levels."""
    value: Any = 1
    for _ in range(levels):
        value = {"a": value}
    return value
