"""Follow one attempt in its own process: read its messages, send its commands."""

from __future__ import annotations

import logging
import threading
from pathlib import Path

from hyperspace_core.execution import messages
from hyperspace_core.execution.supervise import Child, ChildEnded, Event, Output
from hyperspace_core.records.logged import Progress
from hyperspace_core.records.run import Finish, Metric, Update
from hyperspace_core.worker.endings import Ask, Conducted, settle, stops_before
from hyperspace_core.worker.output import OutputTape
from hyperspace_core.worker.peers import Peering
from hyperspace_core.worker.report import Printed
from hyperspace_core.worker.shift import Shift
from hyperspace_core.worker.ward import Ward

LISTEN_S = 0.1             # how often commands to the run are checked
YIELD_GRACE_S = 5.0        # grace of a run that another worker has taken over
LINGER_S = 10.0            # time to exit after the outcome (threads, exit handlers)
DEAF_S = 30.0              # after a kill: then the fork server counts as stuck


class Conversation:
    """The session with a process, from its start to its end."""

    def __init__(self, child: Child, ward: Ward, shift: Shift, peering: Peering) -> None:
        self._child, self._ward, self._shift, self._peering = child, ward, shift, peering
        self._journal = ward.journal
        self._tape = OutputTape(shift.clock)
        self._finish: Finish | None = None
        self._heard = False                # observers in the process were called
        self._differs: str | None = None
        self._ended: ChildEnded | None = None
        self._asked = Ask.NOTHING          # the strongest request to the process so far
        self._kill_at: float | None = None
        self._killed_at: float | None = None

    def follow(self) -> Conducted:
        """Put all events of the process into the outbox; return how the attempt ends."""
        while self._ended is None:
            for event in self._child.events(LISTEN_S):
                self._hear(event)
            self._journal_output()
            if self._ended is None:
                self._control(self._shift.clock.monotonic())
        chunks = self._tape.close()
        if chunks:
            self._journal.output(chunks)
        ask, why = self._ward.asked
        ending = settle(self._finish, self._ended, ask, why, differs=self._differs,
                        failures=self._ward.record.failures,
                        stops=stops_before(self._ward.record.attempts))
        return Conducted(ending=ending, silent=not self._heard)

    # -- events ----------------------------------------------------------------------------------------------

    def _hear(self, event: Event) -> None:
        match event:
            case Output(data=data):
                self._show(self._tape.feed(data))
            case messages.Points(points=points):
                self._journal.points(points)
            case messages.ProgressSet():
                self._ward.report_progress(Progress(done=event.done, total=event.total, eta_s=event.eta_s,
                                                    note=event.note))
                self._shift.heart.poke()
            case messages.InfoSet(key=key, value=value):
                self._journal.info(key, value)
            case messages.ArtifactStaged(name=name, path=path):
                self._journal.artifact(name, Path(path))
            case messages.SectionCaptured(name=name, data=data, reason=reason):
                absent = {"absent": reason or "no reason given"}
                self._journal.section(name, absent if data is None else data)
            case messages.SourceTaken():
                self._journal.source(event.snapshots, event.all)
            case messages.Resolved():
                self._ward.resolved(Update(
                    scenario=event.scenario, config=event.config, seed=event.seed,
                    metric=Metric(name=event.metric_name, goal=event.metric_goal)))
            case messages.PeersWanted():   # both the store and the run may block
                threading.Thread(target=self._answer, args=(event,), daemon=True).start()
            case messages.CodeDiffers(reason=reason):
                self._differs = reason
            case messages.Ended():
                self._finish, self._heard = event.finish(), event.heard
                self._kill_by(LINGER_S)
                self._journal.hurry()      # deliver while the process ends
            case ChildEnded():
                self._ended = event

    def _answer(self, asked: messages.PeersWanted) -> None:
        self._child.answer(self._peering.answer(asked.number, asked.series))

    def _show(self, text: str) -> None:
        if text and self._shift.options.echo:
            self._shift.emit(Printed(run=self._ward.lease.run, text=text))

    def _journal_output(self) -> None:
        chunks = self._tape.ready()
        if chunks:
            self._journal.output(chunks)

    # -- requests --------------------------------------------------------------------------------------------

    def _control(self, now: float) -> None:
        ask, why = self._ward.asked
        if ask > self._asked:
            if self._asked is Ask.NOTHING:
                self._child.interrupt()
            self._asked = ask
            self._show(self._tape.note(f"the run is being stopped: {why}"))
            self._kill_by(YIELD_GRACE_S if ask is Ask.YIELD else self._shift.options.grace_s)
        if self._ward.wants_kill:
            self._kill_by(0.0)
        if self._killed_at is None:
            if self._kill_at is not None and now >= self._kill_at:
                self._killed_at = now
                self._child.kill()
        elif now - self._killed_at > DEAF_S:
            self._shift.tell(f"run {self._ward.lease.run}: its process {self._child.pid} was killed, but "
                             "its end was not detected", logging.ERROR)
            self._ended = ChildEnded(exit_code=None, signal=None, out_of_memory=None, max_rss_bytes=None)

    def _kill_by(self, seconds: float) -> None:
        at = self._shift.clock.monotonic() + seconds
        self._kill_at = at if self._kill_at is None else min(self._kill_at, at)
