from __future__ import annotations

import pytest

from hyperspace_core.config.catalog import Catalog
from hyperspace_core.config.schema import Signature, signature_of_method

from .zoo import Everything, Holdout, make_catalog


@pytest.fixture
def catalog() -> Catalog:
    return make_catalog()


@pytest.fixture
def holdout() -> Signature:
    return signature_of_method(Holdout, "single_run")


@pytest.fixture
def everything() -> Signature:
    return signature_of_method(Everything, "single_run")
