"""Cost of logging in user code, compared with a bare list and queue."""

from __future__ import annotations

import tempfile
from pathlib import Path

from tools import hyperspace, show, trivial_project

POINTS = 20000


def main() -> None:
    from hyperspace_core.stores.sqlite import open_store

    with tempfile.TemporaryDirectory() as name:
        env = trivial_project(Path(name))
        hyperspace(env, "submit", "logging", "--set", f"points={POINTS}")
        hyperspace(env, "worker", "--drain")
        with open_store(env["HYPERSPACE_STORAGE"], "trivial") as store:
            found = store.get(1).metrics
            stored = sum(1 for _ in store.points(1))
    if stored != POINTS:
        raise SystemExit(f"{stored} of {POINTS} points arrived")
    show(f"one call in the thread of user code, {POINTS} calls; all points arrived", [
        ("run.log_scalar", f"{microseconds(found, 'log_scalar')}   (aim: median under 20)"),
        ("list.append of a tuple", microseconds(found, "append")),
        ("SimpleQueue.put of a tuple", microseconds(found, "put")),
        ("ratio to SimpleQueue.put", f"{found['log_scalar_p50'] / found['put_p50']:8.1f}"),
    ])


def microseconds(found: dict[str, float], name: str) -> str:
    return f"{found[f'{name}_p50'] * 1e6:8.2f} µs, 99 % under {found[f'{name}_p99'] * 1e6:8.2f} µs"


if __name__ == "__main__":
    main()
