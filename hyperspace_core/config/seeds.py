"""Choose the seed of a run; one rule for every place where a config is completed.

The submission's seed wins, then the config's key `seed`, then the task's, else a random one. `seed` in a
config is the run's seed and not a hyper-parameter, unless `single_run` has a parameter of that name:
then that parameter receives it.
"""

from __future__ import annotations

import secrets
from typing import Any

from hyperspace_core.config.schema import Signature
from hyperspace_core.config.tree import unwrapped
from hyperspace_core.errors import ConfigError

LIMIT = 2**32          # numpy's limit, the narrowest of the usual generators


def choose_seed(config: Any, *, given: int | None = None, task: int | None = None) -> int:
    """The seed of a run by the rule above. Raises `ConfigError` for an invalid one."""
    written = config.get("seed") if isinstance(config, dict) else None
    for where, value in (("seed", given), ("config `seed`", written), ("the task's seed", task)):
        if value is not None:
            return check_seed(where, value)
    return secrets.randbelow(LIMIT)


def check_seed(where: str, value: Any) -> int:
    value = unwrapped(value)
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < LIMIT:
        huge = isinstance(value, int) and value.bit_length() > 64      # Python may refuse to print it
        found = "an integer beyond 64 bit" if huge else repr(value)
        raise ConfigError(f"{where}: expected a whole number from 0 to {LIMIT - 1}, found {found}")
    return int(value)


def without_seed(config: dict[str, Any], signature: Signature, seed: int) -> dict[str, Any]:
    """The config for `single_run`: `seed` left out, or set if it is a parameter."""
    tree = {key: value for key, value in config.items() if key != "seed"}
    if any(parameter.name == "seed" for parameter in signature.parameters):
        tree["seed"] = seed
    return tree
