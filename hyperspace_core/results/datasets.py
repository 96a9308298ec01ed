"""Find the reference data of a task, and the runs that had different data."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hyperspace_core.config.tree import canonical
from hyperspace_core.records.run import RunRecord
from hyperspace_core.results.parts import Traits

PARTIAL = "partial:"           # prefix of a fingerprint of sampled data
CHOSEN = "dataset"             # a hyper-parameter of this name chooses the data

Fingerprints = tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class DataRule:
    """The data of the newest run, per seed or config where these select the data."""

    by_seed: bool
    newest: Mapping[Any, Fingerprints]

    @classmethod
    def of(cls, by_age: Sequence[Traits]) -> DataRule:
        """Build the rule from runs that agree in everything else, oldest first."""
        known = [(run.record, run.data) for run in by_age if run.data]
        seeds: dict[Fingerprints, set[int | None]] = defaultdict(set)
        for record, data in known:
            seeds[data].add(record.seed)
        # data that two seeds share do not depend on the seed
        by_seed = len(seeds) > 1 and all(len(shared) == 1 for shared in seeds.values())
        by_seed = by_seed and len(set().union(*seeds.values())) > 1
        return cls(by_seed=by_seed, newest={_key(record, by_seed): data for record, data in known})

    def differs(self, run: Traits) -> bool:
        """Whether the run is known to have had different data."""
        counts = self.newest.get(_key(run.record, self.by_seed)) if run.data else None
        # a scenario may load more often in one run than in another
        return counts is not None and counts != run.data and any(map(_distinct, run.data, counts))


def _distinct(one: str, other: str) -> bool:
    """Whether two fingerprints of the same kind (sampled or whole data) differ."""
    return one != other and one.startswith(PARTIAL) == other.startswith(PARTIAL)


def _key(record: RunRecord, by_seed: bool) -> Any:
    chosen = (record.config or {}).get(CHOSEN)
    return record.seed if by_seed else None, None if chosen is None else canonical(chosen)
