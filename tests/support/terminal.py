"""A command at a pseudo terminal, whose screen a test reads."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import signal
import struct
import subprocess
import termios
import threading

from support.behaving import until

PATIENCE_S = 60.0


class Terminal:
    """Runs a command with the terminal as its stdin, stdout and stderr."""

    def __init__(self, command: list[str], *, columns: int, lines: int, environment: dict[str, str]) -> None:
        self._ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
        kept = {name: value for name, value in environment.items() if name not in ("COLUMNS", "LINES")}
        kept |= {"TERM": "xterm-256color", "PYTHONIOENCODING": kept.get("PYTHONIOENCODING", "utf-8")}
        self.process = subprocess.Popen(
            command, stdin=theirs, stdout=theirs, stderr=theirs, close_fds=True, start_new_session=True,
            env=kept)
        os.close(theirs)
        self._seen = b""
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    @property
    def raw(self) -> str:
        """Everything that reached the terminal, escape sequences too."""
        return self._seen.decode("utf-8", "replace")

    @property
    def text(self) -> str:
        """The same without what moves the cursor and colours."""
        return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", self.raw).replace("\r\n", "\n")

    def wait_for(self, text: str) -> None:
        """Wait until the terminal shows the text."""
        until(lambda: text in self.text, f"{text!r} on the terminal, which shows {self.text!r}", PATIENCE_S)

    def type(self, keys: str) -> None:
        os.write(self._ours, keys.encode())

    def interrupt(self) -> None:
        """Ctrl-C, as the terminal passes it on."""
        os.killpg(self.process.pid, signal.SIGINT)

    def ended(self) -> int:
        """The exit code, once all output has been read."""
        code = self.process.wait(PATIENCE_S)
        self._reader.join(PATIENCE_S)
        return code

    def end(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self._reader.join(PATIENCE_S)
        os.close(self._ours)

    def _read(self) -> None:
        while True:
            try:
                data = os.read(self._ours, 65536)
            except OSError:                # the command has closed the terminal
                return
            if not data:
                return
            self._seen += data
