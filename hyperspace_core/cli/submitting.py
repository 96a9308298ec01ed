"""Store and report runs for `submit` and `rerun`, or show a dry run."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import TYPE_CHECKING

from hyperspace_core.cli.interrupts import held_interrupt
from hyperspace_core.cli.screen import (
    complain,
    hint,
    new_page,
    note,
    say,
    say_json,
    say_page,
    say_table,
    tracked,
    warn,
)
from hyperspace_core.errors import ExitCode

if TYPE_CHECKING:
    from hyperspace_core.cli.place import Place
    from hyperspace_core.pinning import Pin
    from hyperspace_core.records.run import NewRun
    from hyperspace_core.storage import Store
    from hyperspace_core.study import Study

SHOWN = 20                     # runs of a grid that `--dry-run` shows one by one


def queue(place: Place, study: Study, what: str, runs: Iterable[NewRun], count: int, *, pin: Pin,
          as_json: bool) -> int:
    """Store the runs and print their ids. Ctrl-C stops after a whole batch."""
    from hyperspace_core.results.words import ids_text
    from hyperspace_core.submission import BATCH

    ids: list[int] = []
    if count > BATCH:
        runs = tracked(runs, "queueing", count)
    with held_interrupt() as pressed:
        for batch in study.submit_batches(runs, pin):
            ids += batch
            if pressed():
                break
    if as_json:
        say_json(ids)
    elif ids:
        say(f"queued run {ids[0]} {what}" if len(ids) == 1 else
            f"queued {len(ids):,} runs {what}: {ids_text(ids)}")
    if pressed() and len(ids) < count:
        complain(f"interrupted: {len(ids):,} of {count:,} runs are queued")
        return ExitCode.INTERRUPTED
    if len(ids) < count:
        say_existing(count - len(ids), count)
    if ids:
        _say_pin(pin)
        _hint_at_worker(place, study.store)
    return ExitCode.OK


def say_existing(existing: int, count: int) -> None:
    """Print how many runs are left out because they exist already."""
    if existing:
        exist, are = ("exists", "is") if existing == 1 else ("exist", "are")
        note(f"{existing:,} of {count:,} {exist} already with the same config, seed and code, and {are} "
             "left out")


def say_plan(what: str, runs: Iterable[NewRun], count: int, pin: Pin | None = None, *, as_json: bool,
             verb: str = "queue") -> int:
    """Print what would be queued: completed configs, with defaults marked."""
    from hyperspace_core.cli.trees import show_config

    if as_json:
        say_json(list(runs if pin is None else map(pin.on, runs)))
        return ExitCode.OK
    if pin is not None:
        _say_pin(pin)
    first = list(islice(runs, SHOWN))
    if len(first) != 1:
        say(f"would {verb} {counted(count)} {what}")
        _say_rows(first)
        if count > len(first):
            say(f"… and {count - len(first):,} more")
        return ExitCode.OK
    page, run = new_page(), first[0]
    page.line(f"would {verb} 1 run {what}, seed {run.seed}")
    show_config(page, run.config or {}, {"seed": run.seed, **run.submitted})
    say_page(page)
    return ExitCode.OK


def _say_pin(pin: Pin) -> None:
    """Print which code the runs will execute, untracked files included."""
    if pin.warning:
        warn(pin.warning)
    else:
        note(pin.summary)


def counted(count: int) -> str:
    return "1 run" if count == 1 else f"{count:,} runs"


def _say_rows(runs: Sequence[NewRun]) -> None:
    from hyperspace_core.results.words import brief

    say_table(("seed", "written", "defaults"),
              [(str(run.seed), brief(run.submitted), " ".join(_defaults(run))) for run in runs])


def _defaults(run: NewRun) -> Iterator[str]:
    """The defaults: a whole section if nothing in it was written, else single values."""
    from hyperspace_core.config.written import told_apart
    from hyperspace_core.results.words import brief, value_text

    config = run.config or {}
    leaves = told_apart(config, {"seed": run.seed, **run.submitted})
    for key, value in config.items():
        inside = [leaf for leaf in leaves if leaf.path == key or leaf.path.startswith(f"{key}.")]
        if not any(leaf.written for leaf in inside):
            yield brief({key: value})
        else:
            yield from (f"{leaf.path}={value_text(leaf.value)}" for leaf in inside if not leaf.written)


def _hint_at_worker(place: Place, store: Store) -> None:
    """Print how to start a worker if none is running."""
    if not sys.stderr.isatty():
        return
    from hyperspace_core.clock import SystemClock
    from hyperspace_core.results.overview import life_of

    now, ttl_s = SystemClock().now(), store.settings(place.name).ttl_s
    if not any(life_of(worker, now, ttl_s) == "alive" for worker in store.workers(place.name)):
        hint(f"no worker is running; start one: {place.command('worker')}")
