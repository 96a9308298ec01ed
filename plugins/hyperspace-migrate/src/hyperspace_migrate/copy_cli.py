"""`hyperspace store copy`: copy runs from one store to another."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Any

import click

from hyperspace_core.cli.plugin import (
    ONE_BY_ONE,
    CommandContext,
    FilterOptions,
    counted,
    dry_run_option,
    filtered,
    json_option,
    pass_project,
    read_address,
    terminal,
)
from hyperspace_core.errors import ExitCode, NotFound, StoreError, UsageError, did_you_mean
from hyperspace_core.plugin import text as text_
from hyperspace_core.records import SearchState
from hyperspace_migrate.copy import WAS_QUEUED, Copied, Fate, Preview, copy_runs, missing, preview

if TYPE_CHECKING:
    from hyperspace_core.records import RunFilter
    from hyperspace_core.storage import Store

NAMED = 10                     # ids in one line


@click.command
@click.argument("src")
@click.argument("dst")
@filtered
@dry_run_option
@json_option
@pass_project
def copy(*, context: CommandContext, src: str, dst: str, wanted: FilterOptions, dry_run: bool,
         as_json: bool) -> int:
    """Copy runs with their output and artifacts from the store SRC to the store DST.

    SRC and DST are addresses as for --storage, or @FILE that contains one. Copies the runs of all projects,
    of --project, or those that match the filter options. Runs that DST has already are never overwritten;
    after an interruption run the command again. Running runs are skipped, queued ones are copied as paused.
    """
    here, there = Address.typed(src, context), Address.typed(dst, context)
    if here.same(there):
        raise StoreError(f"{here} is both SRC and DST; name two stores")
    source = here.open()
    where = wanted.of(context.name if context.has_project else None, source)
    _check_project(source, context, where)
    total = sum(source.count(where).values())
    if not total:
        terminal.echo_note("no run matches" if wanted.options else f"{here}: no runs")
    if dry_run:
        echo_preview(preview(source, there.opened() if total else None, where), there, as_json=as_json)
        return ExitCode.OK
    tally = Tally(source=source.url, target=str(there))
    if total:
        _copy(source, there.make(), where, total, tally)
    if as_json:
        terminal.echo_json(tally.report())
    elif total:
        tally.say(there)
    return tally.exit_code


def _copy(source: Store, target: Store, where: RunFilter, total: int, tally: Tally) -> None:
    """Copy with a progress bar; an interruption keeps the copied runs."""
    try:
        with closing(copy_runs(source, target, where)) as copies:
            for copied in terminal.tracked(copies, "copying", total):
                tally.add(copied)
        tally.missing = missing(target, tally.uids)
    except (KeyboardInterrupt, StoreError):
        terminal.echo_note(
            f"interrupted after {len(tally.copies)} of {total} runs; run the same command again to continue")
        raise


def _check_project(source: Store, context: CommandContext, where: RunFilter) -> None:
    """Refuse a project without runs; note one that only HYPERSPACE_PROJECT names."""
    if where.project is None:
        return
    known = source.info().runs
    if where.project not in known:
        raise NotFound(f"{source.url}: no runs of project '{where.project}'; it has "
                       f"{', '.join(known) or 'none at all'}{did_you_mean(where.project, known)}")
    others = [name for name in known if name != where.project]
    if others and not context.project_is_typed:
        terminal.echo_note(
    f"only runs of project '{where.project}' are copied, because HYPERSPACE_PROJECT is set; "
    f"not of {', '.join(others)}")


# -- The report, as text and as JSON ------------------------------------------------------------------------

@dataclass
class Tally:
    """The results of a copy, per run and in total."""

    source: str
    target: str
    copies: list[Copied] = field(default_factory=list)
    missing: int = 0               # copied runs that the target does not have now

    def add(self, copied: Copied) -> None:
        self.copies.append(copied)

    @property
    def uids(self) -> list[str]:
        """The runs that the target should have."""
        return [one.uid for one in self.copies if one.there is not None]

    @property
    def exit_code(self) -> ExitCode:
        """FAILED if a run is damaged or missing, REFUSED if a run differs."""
        if self.missing or self.of(Fate.DAMAGED):
            return ExitCode.FAILED
        return ExitCode.REFUSED if self.of(Fate.DIFFERS) else ExitCode.OK

    def of(self, fate: Fate) -> list[Copied]:
        return [one for one in self.copies if one.fate is fate]

    def report(self) -> dict[str, Any]:
        """The result for `--json`."""
        counts = {fate.value: len(self.of(fate)) for fate in Fate}
        return {"source": self.source, "target": self.target, "counts": counts, "missing": self.missing,
                "runs": self.copies}

    def say(self, there: Address) -> None:
        """Print the result to stdout, and notes about it to stderr."""
        known = self.of(Fate.THERE)
        terminal.echo(f"copied {counted(len(self.of(Fate.COPIED)))}"
             + (f", {len(known)} {_are(known)} in the target already" if known else "")
             + ("; counts and digests agree" if self.exit_code is ExitCode.OK else ""))
        troubles = [*self.of(Fate.DAMAGED), *self.of(Fate.DIFFERS)]
        for one in troubles[:ONE_BY_ONE]:
            terminal.echo_error(_trouble(one))
        if len(troubles) > ONE_BY_ONE:
            terminal.echo_error(
                f"and {counted(len(troubles) - ONE_BY_ONE)} more; --json lists them all")
        if self.missing:
            terminal.echo_error(
                f"{counted(self.missing)} of these are missing in the target: what deletes runs there?")
        if ahead := [one.run for one in self.of(Fate.AHEAD)]:
            terminal.echo_note(
                f"{_these(ahead)} waiting here, but went on in the target: cancel here what must not rerun")
        if lost := [one.run for one in self.copies if one.lost_parent is not None]:
            terminal.echo_note(
                f"{_these(lost)} in the target without a parent: the parent run was not copied")
        echo_running([one.run for one in self.of(Fate.RUNNING)])
        for project, waiting in Counter(one.project for one in self.copies if one.waits).items():
            words = f"queue resume --where {quote(f'reason={WAS_QUEUED}')} --project {quote(project)}"
            terminal.echo_note(
    f"queued runs of '{project}' are PAUSED in the target: {waiting}; `hyperspace {words} "
    f"--storage {quote(str(there))}` resumes them")
        named = {one.search.there: one for one in self.copies if one.search is not None}
        _echo_searches(named.values(), there)


def _echo_searches(copies: Iterable[Copied], there: Address) -> None:
    """Print what to do about a search that is open here and also in the target."""
    for one in copies:
        search = one.search
        if search is None or search.state is not SearchState.OPEN:
            continue
        if search.state_there is SearchState.OPEN:
            terminal.echo_note(
    f"search {search.search} is open in both stores ({search.there} in the target): pause "
    "it in one, because neither knows the other's proposals")
        elif search.state_there is SearchState.PAUSED:
            words = f"queue resume --search {search.there} --project {quote(one.project)}"
            terminal.echo_note(
    f"search {search.search} is open here and PAUSED in the target: `hyperspace {words} "
    f"--storage {quote(str(there))}` resumes it there; pause it here first")


def echo_preview(found: Preview, there: Address, *, as_json: bool) -> None:
    """Print what a copy would do."""
    if as_json:
        terminal.echo_json(found)
        return
    total = sum(found.runs.values())
    projects = ", ".join(f"{name} {count}" for name, count in found.runs.items())
    size = text_.byte_count(found.bytes)
    kept = "" if not found.artifacts else f", {counted(found.artifacts, 'artifact')} of {size}"
    compared = f"; {counted(found.there)} would be compared, as the target has them"
    of = f" ({projects})" if projects else ""
    terminal.echo(f"would copy {counted(total)}{of}{kept} to {there}{compared if found.there else ''}")
    if found.searches:
        terminal.echo_note(f"searches that would be copied and PAUSED: {found.searches}")
    if found.waiting:
        terminal.echo_note(f"queued runs that would be PAUSED in the target: {found.waiting}")
    echo_running(found.running)


def echo_running(runs: Sequence[int]) -> None:
    if runs:
        ended = "it has ended" if len(runs) == 1 else "they have ended"
        terminal.echo_note(f"{_these(runs)} running: copy again when {ended}")


def _these(runs: Sequence[int]) -> str:
    """`3 runs (4, 9, 12) are`."""
    return f"{counted(len(runs))} ({_listed(runs)}) {_are(runs)}"


def _are(many: Sequence[object]) -> str:
    return "is" if len(many) == 1 else "are"


def _listed(runs: Iterable[int]) -> str:
    ids = [str(run) for run in runs]
    return ", ".join(ids[:NAMED]) + (", …" if len(ids) > NAMED else "")


def _trouble(one: Copied) -> str:
    if one.fate is Fate.DAMAGED:
        return f"run {one.run} ({one.there} in the target): {'; '.join(one.problems)}"
    return (f"run {one.run} ({one.there} in the target) differs there: {', '.join(one.problems)}; nothing "
            f"was overwritten. To replace it, delete run {one.there} in the target and copy again")


# -- Addresses as arguments of the command -----------------------------------------------------------------

@dataclass(frozen=True)
class Address:
    """The address of a store that may not exist yet. Its text hides the password."""

    url: str = field(repr=False)
    context: CommandContext = field(repr=False)

    def __str__(self) -> str:
        from hyperspace_core.plugin import redact

        return redact(self.url)

    @classmethod
    def typed(cls, text: str, context: CommandContext) -> Address:
        """Read an address or `@FILE`. Raises `StoreError`, `UsageError`."""
        from hyperspace_core.plugin import redact, resolve_url

        text = read_address(text)
        url = resolve_url(text, context.name if context.has_project else "")
        if not context.has_project and url != resolve_url(text, "x"):
            raise UsageError(f"'{redact(text)}': names no database; write {redact(url)}/NAME, or give "
                             "--project")
        return cls(url, context)

    @property
    def file(self) -> Path | None:
        """The file of an embedded store, which may not exist yet; else None."""
        scheme, _, path = self.url.partition(":///")
        return Path(path) if scheme == "sqlite" else None

    def same(self, other: Address) -> bool:
        """Whether both certainly mean one store; user and options are ignored."""
        if self.file is not None and other.file is not None:
            return self.file.resolve() == other.file.resolve()
        return _bare(self.url) == _bare(other.url)

    def open(self) -> Store:
        """Open the existing store. Raises `StoreError` if there is none."""
        store = self.opened()
        if store is None:
            raise StoreError(f"{self.file}: no store at this path; check the address")
        return store

    def opened(self) -> Store | None:
        """Open the store; None if its file does not exist."""
        return None if self.file is not None and not self.file.exists() else self.make()

    def make(self) -> Store:
        """Open the store, creating it if needed. It is closed when the command ends."""
        from hyperspace_core.plugin import open_store

        project = self.context.name if self.context.has_project else None
        store = open_store(self.url, self.context.extensions, project)
        click.get_current_context().call_on_close(store.close)
        return store


def _bare(url: str) -> str:
    """The URL without user and options."""
    scheme, _, rest = url.partition("?")[0].partition("://")
    return f"{scheme}://{rest.rpartition('@')[2]}"
