"""Recorded environment variables: a list of exact names, without secrets."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Mapping

MORE = "HYPERSPACE_CAPTURE_ENV"        # further names, separated by commas
HIDDEN = "***"

RECORDED = (
    "CUDA_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES", "ROCR_VISIBLE_DEVICES", "CUBLAS_WORKSPACE_CONFIG",
    "OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMEXPR_NUM_THREADS", "NUMBA_NUM_THREADS",
    "PYTHONHASHSEED", "TOKENIZERS_PARALLELISM", "TF_DETERMINISTIC_OPS",
    "SLURM_JOB_ID", "SLURM_ARRAY_JOB_ID", "SLURM_ARRAY_TASK_ID", "SLURM_JOB_PARTITION", "SLURM_JOB_NODELIST",
    "PBS_JOBID", "LSB_JOBID", "JOB_ID",
)

_SECRET_NAME = re.compile(r"key|token|secret|passw|pwd|credential|auth|cookie|dsn", re.IGNORECASE)
_SECRET_VALUE = re.compile(r"://[^/\s]*@|PRIVATE KEY"
                           r"|^(gh[pousr]_|github_pat_|AKIA|ASIA|sk-|xox[abpr]-|eyJ|glpat-|hf_)")
_WORD = re.compile(r"[A-Za-z0-9+/_=.-]{20,}")
_RANDOM_BITS = 3.5             # entropy per character, above that of words, paths and host names


def recorded_variables(environment: Mapping[str, str]) -> dict[str, str]:
    """The recorded variables that are set; possible secrets become `***`."""
    more = (name.strip() for name in environment.get(MORE, "").split(","))
    names = dict.fromkeys([*RECORDED, *filter(None, more)])
    return {name: HIDDEN if _is_secret(name, environment[name]) else environment[name]
            for name in names if name in environment}


def _is_secret(name: str, value: str) -> bool:
    if _SECRET_VALUE.search(value) or (_SECRET_NAME.search(name) and name not in RECORDED):
        return True
    return any(_looks_random(word) for word in _WORD.findall(value))


def _looks_random(word: str) -> bool:
    mixed = re.search(r"[0-9]", word) and re.search(r"[A-Za-z]", word)
    if not mixed or re.search(r"[.-]\D|/\w+/\w+/", word):         # host names, versions, paths
        return False
    counts = Counter(word).values()
    entropy = -sum(n / len(word) * math.log2(n / len(word)) for n in counts)
    return entropy > _RANDOM_BITS
