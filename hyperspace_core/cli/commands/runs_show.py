"""`hyperspace runs show`: show everything recorded about one run, errors last."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from itertools import zip_longest
from typing import TYPE_CHECKING, Any

import click

from hyperspace_core.cli.context import CommandContext, pass_context
from hyperspace_core.cli.options import json_option, run_argument
from hyperspace_core.cli.terminal import STATES, echo_json, echo_page, new_page
from hyperspace_core.config.tree import flatten
from hyperspace_core.lookup import get_run
from hyperspace_core.records.filter import ORDER_OLDEST, RunFilter
from hyperspace_core.results.format import ago, byte_count, number, seconds, to_json, value_text
from hyperspace_core.storage import migrations_of, rewritten_of

if TYPE_CHECKING:
    from hyperspace_core.cli.terminal import Page
    from hyperspace_core.records.run import Artifact, Attempt, RunRecord
    from hyperspace_core.storage import Store


@click.command
@run_argument
@click.option("--original", is_flag=True, help="Show scenario and config as they were before any migration.")
@json_option
@pass_context
def show(context: CommandContext, run: int, original: bool, as_json: bool) -> None:
    """Show a run: config, result, metrics, artifacts, provenance, attempts."""
    record = get_run(context.store, context.name, run)
    if original:
        record = _as_it_was(context.store, record)
    artifacts = context.store.artifacts(record.id) if record.attempts else []
    children = _children(context.store, record)
    if as_json:
        echo_json(to_json(record) | {"artifacts": artifacts, "children": children})
        return
    page = new_page()
    written = record.submitted if original else _written(context.store, record)
    show_run(page, record, artifacts, children, datetime.now().astimezone(), written=written)
    echo_page(page)


def show_run(page: Page, record: RunRecord, artifacts: Sequence[Artifact], children: Sequence[int],
             now: datetime, *, written: Mapping[str, Any]) -> None:
    """Write the page of a run; `written`: the submitted config with current names."""
    from hyperspace_core.cli.run_page import show_code

    _head(page, record, children, now)
    _config(page, record, written)
    _numbers(page, record)
    _files(page, artifacts)
    show_code(page, record)
    _provenance(page, record)
    _attempts(page, record, now)


def _children(store: Store, record: RunRecord) -> list[int]:
    wanted = RunFilter(project=record.project, parent=record.id)
    return [child.id for child in store.find(wanted, order=ORDER_OLDEST)]


def _as_it_was(store: Store, record: RunRecord) -> RunRecord:
    before = rewritten_of(store, record)
    return replace(record, scenario=before[0].scenario, config=before[0].config) if before else record


def _written(store: Store, record: RunRecord) -> Mapping[str, Any]:
    if not record.migrated:
        return record.submitted
    from hyperspace_core.results.diff import written_today

    written = written_today(store, record, migrations_of(store, record.project))
    return written if isinstance(written, Mapping) else record.submitted


def _head(page: Page, record: RunRecord, children: Sequence[int], now: datetime) -> None:
    from hyperspace_core.results.overview import progress_text

    result = "" if record.result is None else f"{record.metric.name} {number(record.result)}"
    asked = "" if record.command is None else f"asked to {record.command}"
    page.line((f"run {record.id}", "head"), record.task, (record.state.value, STATES[record.state]), result,
              asked, record.reason or "")
    submitted = f"{ago(record.submitted_at, now)} by {record.submitted_by or 'unknown'}"
    known = [
        ("progress", "" if record.state != "RUNNING" else progress_text(record.progress)),
        ("submitted", submitted if record.submitted_at else ""),
        ("started", ago(record.started_at, now)),
        ("finished", ago(record.finished_at, now)),
        ("priority", str(record.priority or "")),
        ("retries", _used_up(record.failures, record.max_failures)),
        ("losses", f"{record.losses} of {record.max_losses}" if record.losses else ""),
        ("tags", " ".join(record.tags)),
        ("note", record.note),
        ("parent", f"run {record.parent}" if record.parent else ""),
        ("children", ", ".join(f"run {child}" for child in children)),
        ("search", record.search or ""),
        ("migrated", ", ".join(record.migrated)),
        ("seed", "" if record.seed is None else str(record.seed)),
    ]
    page.rows([(name, text) for name, text in known if text])


def _used_up(failures: int, retries: int) -> str:
    return f"{min(failures, retries)} of {retries} used up" if retries else ""


def _config(page: Page, record: RunRecord, written: Mapping[str, Any]) -> None:
    from hyperspace_core.cli.run_page import show_config, show_tree

    if record.config is not None:
        page.heading("Config")
        # a parameter `seed` receives the seed of the run, also if it was not submitted
        show_config(page, record.config, {"seed": record.seed, **written})
    else:
        page.heading("Config", ("as submitted; a worker completes and checks it", "quiet"))
        show_tree(page, record.submitted)
    if record.scenario is not None:
        page.heading("Scenario", ("of the task, as it was at submission", "quiet"))
        show_tree(page, {"scenario": record.scenario})


def _numbers(page: Page, record: RunRecord) -> None:
    from hyperspace_core.cli.run_page import show_tree

    if record.metrics:
        goal = {"maximize": "higher is better", "minimize": "lower is better"}[record.metric.goal]
        page.heading("Metrics")
        page.rows([(name, value_text(value), f"decides; {goal}" if name == record.metric.name else "")
                   for name, value in flatten(record.metrics).items()])
    if record.info:
        page.heading("Info")
        show_tree(page, record.info)


def _files(page: Page, artifacts: Sequence[Artifact]) -> None:
    if artifacts:
        page.heading("Artifacts")
        page.rows([(one.name, byte_count(one.size), f"sha256 {one.digest[:12]}") for one in artifacts])


def _provenance(page: Page, record: RunRecord) -> None:
    from hyperspace_core.cli.run_page import SECTIONS, summary

    captured: dict[str, Any] = record.attempt.provenance if record.attempt is not None else {}
    rows = [(name, summary(name, section)) for name, section in captured.items() if name not in SECTIONS]
    if rows:
        page.heading("Provenance", (f"of attempt {record.attempts[-1].number}", "quiet"))
        page.rows(rows)


def _attempts(page: Page, record: RunRecord, now: datetime) -> None:
    if record.attempts:
        page.heading("Attempts")
    for attempt, following in zip_longest(record.attempts, record.attempts[1:]):
        _attempt(page, attempt, now)
        if attempt.traceback and following is not None and following.traceback == attempt.traceback:
            page.line(f"with the traceback of attempt {following.number}", indent=5)
        elif attempt.traceback:
            page.block(attempt.traceback, indent=5)


def _attempt(page: Page, attempt: Attempt, now: datetime) -> None:
    outcome = "running" if attempt.outcome is None else attempt.outcome.value
    started, ended = attempt.started_at, attempt.ended_at
    took = f"took {seconds((ended - started).total_seconds())}" if started and ended else ""
    where = "" if attempt.worker is None else f"on {attempt.worker.worker}"
    since = f"started {ago(started, now)}" if started else ""
    page.line(f"{attempt.number}  {outcome}", where, since, took, indent=2)
    if attempt.reason and attempt.reason not in (attempt.traceback or ""):
        page.line(attempt.reason, indent=5)
    if attempt.late is not None:
        brought = " ".join(filter(None, (attempt.late.outcome.value, number(attempt.late.result),
                                         attempt.late.reason)))
        page.line(f"its worker reported too late: {brought}", indent=5)
