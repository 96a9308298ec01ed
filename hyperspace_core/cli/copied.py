"""The report of `store copy`, as text and as JSON."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from shlex import quote
from typing import TYPE_CHECKING, Any

from hyperspace_core.cli.commands.queue import ONE_BY_ONE, counted
from hyperspace_core.cli.terminal import echo, echo_error, echo_json, echo_note
from hyperspace_core.errors import ExitCode
from hyperspace_core.moving.copying import WAS_QUEUED, Copied, Fate
from hyperspace_core.records.search import SearchState
from hyperspace_core.results.format import byte_count

if TYPE_CHECKING:
    from hyperspace_core.cli.addresses import Address
    from hyperspace_core.moving.preview import Preview

NAMED = 10                     # ids in one line


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
        echo(f"copied {counted(len(self.of(Fate.COPIED)))}"
             + (f", {len(known)} {_are(known)} in the target already" if known else "")
             + ("; counts and digests agree" if self.exit_code is ExitCode.OK else ""))
        troubles = [*self.of(Fate.DAMAGED), *self.of(Fate.DIFFERS)]
        for one in troubles[:ONE_BY_ONE]:
            echo_error(_trouble(one))
        if len(troubles) > ONE_BY_ONE:
            echo_error(f"and {counted(len(troubles) - ONE_BY_ONE)} more; --json lists them all")
        if self.missing:
            echo_error(
                f"{counted(self.missing)} of these are missing in the target: what deletes runs there?")
        if ahead := [one.run for one in self.of(Fate.AHEAD)]:
            echo_note(
                f"{_these(ahead)} waiting here, but went on in the target: cancel here what must not rerun")
        if lost := [one.run for one in self.copies if one.lost_parent is not None]:
            echo_note(f"{_these(lost)} in the target without a parent: the parent run was not copied")
        say_running([one.run for one in self.of(Fate.RUNNING)])
        for project, waiting in Counter(one.project for one in self.copies if one.waits).items():
            words = f"queue resume --where {quote(f'reason={WAS_QUEUED}')} --project {quote(project)}"
            echo_note(f"queued runs of '{project}' are PAUSED in the target: {waiting}; `hyperspace {words} "
                      f"--storage {quote(str(there))}` resumes them")
        named = {one.search.there: one for one in self.copies if one.search is not None}
        _say_searches(named.values(), there)


def _say_searches(copies: Iterable[Copied], there: Address) -> None:
    """Print what to do about a search that is open here and also in the target."""
    for one in copies:
        search = one.search
        if search is None or search.state is not SearchState.OPEN:
            continue
        if search.state_there is SearchState.OPEN:
            echo_note(
    f"search {search.search} is open in both stores ({search.there} in the target): pause it in "
    "one, because neither knows the other's proposals")
        elif search.state_there is SearchState.PAUSED:
            words = f"queue resume --search {search.there} --project {quote(one.project)}"
            echo_note(f"search {search.search} is open here and PAUSED in the target: `hyperspace {words} "
                      f"--storage {quote(str(there))}` resumes it there; pause it here first")


def say_preview(found: Preview, there: Address, *, as_json: bool) -> None:
    """Print what a copy would do."""
    if as_json:
        echo_json(found)
        return
    total = sum(found.runs.values())
    projects = ", ".join(f"{name} {count}" for name, count in found.runs.items())
    kept = "" if not found.artifacts else f", {_artifacts(found.artifacts)} of {byte_count(found.bytes)}"
    echo(f"would copy {counted(total)}{f' ({projects})' if projects else ''}{kept} to {there}"
         + (f"; {counted(found.there)} would be compared, as the target has them" if found.there else ""))
    if found.searches:
        echo_note(f"searches that would be copied and PAUSED: {found.searches}")
    if found.waiting:
        echo_note(f"queued runs that would be PAUSED in the target: {found.waiting}")
    say_running(found.running)


def say_running(runs: Sequence[int]) -> None:
    if runs:
        ended = "it has ended" if len(runs) == 1 else "they have ended"
        echo_note(f"{_these(runs)} running: copy again when {ended}")


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


def _artifacts(count: int) -> str:
    return "1 artifact" if count == 1 else f"{count:,} artifacts"
