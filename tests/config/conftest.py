from __future__ import annotations

import pytest

from hyperspace_core.config.registry import Registry
from hyperspace_core.config.signature import Signature, signature_of_method
from support.zoo import Everything, Holdout, make_registry


@pytest.fixture
def registry() -> Registry:
    return make_registry()


@pytest.fixture
def holdout() -> Signature:
    return signature_of_method(Holdout, "single_run")


@pytest.fixture
def everything() -> Signature:
    return signature_of_method(Everything, "single_run")
