"""Base of all themes: open a store; limits that a slow server may lower."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

import pytest
from hypothesis import settings

from hyperspace_core.storage import Store
from hyperspace_core.testing.stores.crowd import Crowd
from hyperspace_core.testing.stores.desk import Desk


@dataclass(frozen=True, kw_only=True)
class Backend:
    """How the suite opens one kind of store."""

    new_url: Callable[[], str]     # the address of a new, empty store at each call
    open: Callable[[str], Store]   # importable by name: other processes call it


class StoreTests:
    """A subclass defines the fixture `backend`; see `hyperspace_core.testing.stores`."""

    claim_runs: ClassVar[int] = 2000       # queued runs in the race for claims
    claim_processes: ClassVar[int] = 8     # processes that claim them
    max_claimers: ClassVar[int] = 32       # processes that claim the same single run
    many_runs: ClassVar[int] = 1500        # submitted and deleted in one call
    many_points: ClassVar[int] = 100_000   # metric points of one attempt
    wait_s: ClassVar[float] = 0.1          # a submission by another process is noticed within this time
    examples: ClassVar[int] = 60           # examples of each property
    stories: ClassVar[int] = 100           # random sequences of `story_steps` verbs
    story_steps: ClassVar[int] = 40

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
    def desk(self, store: Store) -> Desk:
        return Desk(store)

    @pytest.fixture
    def crowd(self, backend: Backend, url: str, store: Store) -> Iterator[Callable[..., Crowd]]:
        """Start processes on the store: `crowd(work, [arguments of each])`. They end with the test."""
        started: list[Crowd] = []

        def start(work: Callable[..., Any], arguments: list[tuple[Any, ...]]) -> Crowd:
            started.append(Crowd(backend.open, url, work, arguments))
            return started[-1]

        yield start
        for one in started:
            one.end()

    def property_settings(self) -> settings:
        """Hypothesis settings: as many examples as the backend's limits allow, without deadlines."""
        return settings(max_examples=self.examples, deadline=None)
