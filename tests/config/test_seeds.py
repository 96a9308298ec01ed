from __future__ import annotations

from typing import Any

import pytest

from hyperspace_core.config.complete import LIMIT, choose_seed, without_seed
from hyperspace_core.config.signature import signature_of
from hyperspace_core.errors import ConfigError
from support import zoo


def test_seed_precedence_is_submission_config_task() -> None:
    assert choose_seed({"seed": 2}, given=1, task=3) == 1
    assert choose_seed({"seed": 2}, task=3) == 2
    assert choose_seed({}, task=3) == 3
    assert choose_seed({"seed": 0}, given=None, task=3) == 0


def test_a_drawn_seed_is_one_that_numpy_takes() -> None:
    assert {choose_seed({}) for _ in range(9)} != {choose_seed({})}
    assert all(0 <= choose_seed({}) < LIMIT for _ in range(100))


@pytest.mark.parametrize("seed", [-1, 2**32, True, 1.0, "1", [1]])
def test_seeds_that_no_generator_takes(seed: Any) -> None:
    with pytest.raises(ConfigError, match=r"^config `seed`: expected a whole number from 0 to 4294967295"):
        choose_seed({"seed": seed})


def test_a_seed_is_a_hyper_parameter_only_in_the_signature() -> None:
    def seeded(seed: int, lr: float = 0.1): ...

    config = {"seed": 1, "lr": 0.5}
    assert without_seed(config, signature_of(zoo.train), 7) == {"lr": 0.5}
    assert without_seed(config, signature_of(seeded), 7) == {"lr": 0.5, "seed": 7}
    assert config == {"seed": 1, "lr": 0.5}
