"""Turn the bytes that a run prints into chunks for the store."""

from __future__ import annotations

import codecs
import time

from hyperspace_core.clock import Clock
from hyperspace_core.records.run import OutputChunk

CHUNK_CHARS = 16 * 1024            # a character may take 4 bytes: at most 64 KiB of text
KEEP_BYTES = 64 * 1024 * 1024
GATHER_S = 0.1


class OutputTape:
    """Decodes, gathers, splits and limits the output of one attempt. Not thread-safe."""

    def __init__(self, clock: Clock, *, keep_bytes: int = KEEP_BYTES) -> None:
        self._clock = clock
        self._decode = codecs.getincrementaldecoder("utf-8")(errors="replace").decode
        self._keep = self._left = keep_bytes
        self._seq = 0
        self._text = ""
        self._since = 0.0

    def feed(self, data: bytes) -> str:
        """Add bytes and return the text that is kept; beyond the limit, one note."""
        if self._left < 0:
            return ""
        kept = data[:self._left]
        text = self._decode(kept)
        self._left -= len(kept)
        if len(kept) < len(data):
            self._left = -1
            text += self._decode(b"", True) + _noted(
                f"the run printed more than {self._keep / 2**20:g} MiB: the rest is not kept")
        self._take(text)
        return text

    def note(self, text: str) -> str:
        """Add a line of hyperspace to the output and return it."""
        self._take(_noted(text))
        return _noted(text)

    def ready(self) -> list[OutputChunk]:
        """The text, once it fills a chunk or is `GATHER_S` old, so that chunks are few."""
        if len(self._text) < CHUNK_CHARS and self._clock.monotonic() - self._since < GATHER_S:
            return []
        return self._cut()

    def close(self) -> list[OutputChunk]:
        """The rest of the text."""
        if self._left >= 0:
            self._take(self._decode(b"", True))
        return self._cut()

    def _take(self, text: str) -> None:
        if not self._text:
            self._since = self._clock.monotonic()
        self._text += text

    def _cut(self) -> list[OutputChunk]:
        text, self._text = self._text, ""
        chunks = []
        for start in range(0, len(text), CHUNK_CHARS):
            chunks.append(OutputChunk(seq=self._seq, text=text[start:start + CHUNK_CHARS], at=time.time()))
            self._seq += 1
        return chunks


def _noted(text: str) -> str:
    return f"\n[hyperspace] {text}\n"
