"""The proposer process: opens the project once and answers a worker."""

from __future__ import annotations

import os
import socket
import sys
import time
from typing import TYPE_CHECKING

from hyperspace_core.errors import HyperspaceError, ProjectError, error_line
from hyperspace_core.plugin import described, ending_with, open_here
from hyperspace_tuning.proposer_protocol import OpenProject, Proposed, ProposeNext, ProposerChannel, Refusal

if TYPE_CHECKING:
    from hyperspace_core.plugin import Project
    from hyperspace_tuning.proposer import Proposer

class ProposerServer:
    """Answers questions about the searches of one project."""

    def __init__(self, project: Project) -> None:
        self._project = project
        self._proposers: dict[str, Proposer] = {}

    def answer(self, ask: ProposeNext) -> Proposed | Refusal:
        """Propose a run; errors of user code become a `Refusal`."""
        try:
            suggestion = self._proposer(ask).propose(ask.search, ask.records, whole=ask.whole)
        except HyperspaceError as error:
            self._proposers.pop(ask.search.uid, None)
            return Refusal(" ".join(str(error).split("\n")))
        except BaseException as error:     # noqa: BLE001 - a tuner of the project's own, or its sys.exit()
            self._proposers.pop(ask.search.uid, None)
            return Refusal(f"its tuner failed: {error_line(error)}")
        if suggestion is None:
            return Proposed(None, 0, repeat=False)
        return Proposed(suggestion.run, suggestion.redrawn, suggestion.repeat)

    def _proposer(self, ask: ProposeNext) -> Proposer:
        from hyperspace_tuning.proposer import Proposer

        if ask.search.uid not in self._proposers:
            self._proposers[ask.search.uid] = Proposer(self._project, ask.search)
        return self._proposers[ask.search.uid]


def main() -> None:
    """Serve the socket whose descriptor is the only argument."""
    end = socket.socket(fileno=int(sys.argv[1]))
    end.set_inheritable(False)
    # a child of a tuner may outlive this process: it must not keep the socket open
    os.register_at_fork(after_in_child=end.close)
    channel = ProposerChannel(end)
    sys.argv[1:] = []
    begin = channel.receive()
    if not isinstance(begin, OpenProject):
        return
    # a tuner may compute for long: this process ends with the worker, not at the next question only
    with ending_with(channel):
        _serve(channel, begin)


def _serve(channel: ProposerChannel, begin: OpenProject) -> None:
    began = time.time_ns()
    try:
        opening = open_here(begin.project, tasks_dir=begin.tasks_dir, no_plugins=begin.no_plugins,
                            code=begin.code)
    except ProjectError as error:
        channel.send(Refusal(str(error)))
        return
    channel.send(described(opening, read_since_ns=began))
    server = ProposerServer(opening.project)
    while isinstance(ask := channel.receive(), ProposeNext):
        channel.send(server.answer(ask))


if __name__ == "__main__":
    main()
