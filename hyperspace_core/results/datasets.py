"""Which data count as a task's, and whether a run had others."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hyperspace_core.config.tree import canonical
from hyperspace_core.records.run import RunRecord
from hyperspace_core.results.parts import Traits

PARTIAL = "partial:"           # what a fingerprint of sampled data begins with
CHOSEN = "dataset"             # a hyper-parameter of this name chooses the data

Fingerprints = tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class DataRule:
    """The data of the newest run. Data that a seed draws, or a config chooses, are told apart by that."""

    by_seed: bool
    newest: Mapping[Any, Fingerprints]

    @classmethod
    def of(cls, by_age: Sequence[Traits]) -> DataRule:
        """From runs that are alike in all else, oldest first."""
        known = [(run.record, run.data) for run in by_age if run.data]
        seeds: dict[Fingerprints, set[int | None]] = defaultdict(set)
        for record, data in known:
            seeds[data].add(record.seed)
        # data that two seeds share do not depend on the seed
        by_seed = len(seeds) > 1 and all(len(shared) == 1 for shared in seeds.values())
        by_seed = by_seed and len(set().union(*seeds.values())) > 1
        return cls(by_seed=by_seed, newest={_key(record, by_seed): data for record, data in known})

    def differs(self, run: Traits) -> bool:
        """Whether the run is known to have had other data."""
        counts = self.newest.get(_key(run.record, self.by_seed)) if run.data else None
        # a scenario may load more often in one run than in another
        return counts is not None and counts != run.data and any(map(_told_apart, run.data, counts))


def _told_apart(one: str, other: str) -> bool:
    """Sampled data and whole ones of the same content have different names."""
    return one != other and one.startswith(PARTIAL) == other.startswith(PARTIAL)


def _key(record: RunRecord, by_seed: bool) -> Any:
    chosen = (record.config or {}).get(CHOSEN)
    return record.seed if by_seed else None, None if chosen is None else canonical(chosen)
