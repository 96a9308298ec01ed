"""The section `source` of a run's provenance: the code it was really executed on, and why not the pinned."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from hyperspace_core.capture.components import SECTION as COMPONENTS
from hyperspace_core.capture.sources import SECTION, ProjectCode, project_code
from hyperspace_core.execution.failure import one_line
from hyperspace_core.execution.messages import FileTuple, SourceTaken
from hyperspace_core.records.code import CHANGES, SNAPSHOT, Snapshot
from hyperspace_core.sink import Absent, Section

if TYPE_CHECKING:
    from hyperspace_core.execution.job import Job
    from hyperspace_core.extension.project import Project

PINNED = "pinned"              # in the section: whether the submission's snapshot was unpacked for it
NOTE = "note"                  # in the section: why it was not
GIT = "git"                    # in what a submission pins: the section `git` of that moment


class CodeSink(Protocol):
    """Where the code goes."""

    def section(self, section: Section | Absent) -> None: ...
    def source(self, code: ProjectCode) -> None: ...


def tell_code(job: Job, project: Project, sink: CodeSink) -> None:
    """Record the code that is about to run; of a pinned one also what git said of it at the submission."""
    try:
        section = _pinned(job) if job.code_folder is not None else _current(job, project, sink)
    except Exception as error:         # noqa: BLE001 - an absent section fails no run
        section = Absent(SECTION, one_line(error))
    sink.section(section)
    git = job.code.get(GIT)
    if job.code_folder is not None and isinstance(git, dict):
        absent = git.get("absent")
        sink.section(Section(GIT, {**git, PINNED: True}) if absent is None else Absent(GIT, str(absent)))


def taken(code: ProjectCode) -> SourceTaken:
    """The code as a message."""
    snapshots = [snapshot for snapshot in (code.snapshot, code.changes) if snapshot is not None]
    places = {path: place for path, place in code.contents.items() if isinstance(place, str)}
    contents = {path: content for path, content in code.contents.items() if isinstance(content, bytes)}
    return SourceTaken([_files(snapshot) for snapshot in snapshots], contents, places)


def _files(snapshot: Snapshot) -> list[FileTuple]:
    return [(file.path, file.digest, file.size) for file in snapshot.files]


def _pinned(job: Job) -> Section:
    kept = {key: value for key, value in job.code.items() if key not in (GIT, COMPONENTS)}
    return Section(SECTION, {**kept, PINNED: True})


def _current(job: Job, project: Project, sink: CodeSink) -> Section | Absent:
    if job.stale:
        return Absent(SECTION, job.stale)
    code = project_code(project)
    if isinstance(code, Absent):
        besides = "" if code.reason in job.code_note else job.code_note    # it was not pinned for the same
        return Absent(SECTION, f"{code.reason}; {besides}" if besides else code.reason)
    told: dict[str, Any] = {**code.section(), PINNED: False}
    if not {told[SNAPSHOT], told[CHANGES]} - {None} <= set(job.known_sources):
        sink.source(code)
    same = job.code.get(SNAPSHOT) == told[SNAPSHOT]
    note = "" if same else job.code_note
    return Section(SECTION, {**told, NOTE: note} if note else told)
