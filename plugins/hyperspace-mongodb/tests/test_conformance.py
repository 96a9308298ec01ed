"""The conformance suite on a MongoDB server, over TCP."""

from __future__ import annotations

import os
from collections.abc import Callable

import pytest

from hyperspace_mongodb.store import open_store
from hyperspace_mongodb.testing.fixtures import VARIABLE
from pytest_hyperspace.stores import Backend, StoreConformance

REAL = bool(os.environ.get(VARIABLE))


@pytest.mark.timeout(600)
class TestMongo(StoreConformance):
    """Complete on the server named by `HYPERSPACE_TEST_MONGODB`; reduced on the slow one from pip."""

    claim_runs = 2000 if REAL else 120
    claim_processes = 8 if REAL else 4
    max_claimers = 32 if REAL else 4
    many_runs = 1500 if REAL else 200
    wait_s = 0.5
    examples = 60 if REAL else 15
    sequences = 100 if REAL else 6

    @pytest.fixture
    def backend(self, fresh_mongodb_url: Callable[[], str]) -> Backend:
        def new_url() -> str:
            url = fresh_mongodb_url()
            return url if REAL else f"{url}{'&' if '?' in url else '?'}timeoutMS=60000"

        return Backend(new_url=new_url, open=open_store)
