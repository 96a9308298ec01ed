"""The output of a run is decoded, gathered, split and limited."""

from __future__ import annotations

from hypothesis import given, strategies as st

from hyperspace_core.worker.output import CHUNK_CHARS, GATHER_S, OutputTape
from pytest_hyperspace.project import FakeClock


def test_a_character_split_between_reads_is_decoded() -> None:
    tape = OutputTape(FakeClock())
    data = "höhe".encode()
    assert tape.feed(data[:2]) + tape.feed(data[2:]) == "höhe"
    assert [chunk.text for chunk in tape.close()] == ["höhe"]


def test_bytes_that_are_not_utf8_are_replaced() -> None:
    tape = OutputTape(FakeClock())
    tape.feed(b"a\xffb\xc3")
    assert "".join(chunk.text for chunk in tape.close()) == "a\ufffdb\ufffd"


def test_short_prints_are_gathered_for_a_moment() -> None:
    clock = FakeClock()
    tape = OutputTape(clock)
    for _ in range(10):
        tape.feed(b"line\n")
        assert tape.ready() == []
    clock.advance(2 * GATHER_S)
    assert [(chunk.seq, chunk.text) for chunk in tape.ready()] == [(0, "line\n" * 10)]
    assert tape.ready() == []
    assert tape.close() == []


def test_long_output_is_split_into_numbered_chunks() -> None:
    tape = OutputTape(FakeClock())
    tape.feed("é".encode() * (CHUNK_CHARS + 1))
    chunks = tape.ready()
    assert [(chunk.seq, len(chunk.text)) for chunk in chunks] == [(0, CHUNK_CHARS), (1, 1)]
    assert all(len(chunk.text.encode()) <= 64 * 1024 for chunk in chunks)


def test_a_flood_is_cut_off_with_one_visible_note() -> None:
    tape = OutputTape(FakeClock(), keep_bytes=10)
    for _ in range(5):
        tape.feed(b"123456\n")
    text = "".join(chunk.text for chunk in tape.close())
    assert text.startswith("123456\n123\n[hyperspace] the run printed more than")
    assert text.count("[hyperspace]") == 1


def test_output_of_exactly_the_limit_gets_no_note() -> None:
    tape = OutputTape(FakeClock(), keep_bytes=4)
    tape.feed(b"1234")
    assert "".join(chunk.text for chunk in tape.close()) == "1234"


@given(st.lists(st.binary(max_size=50)))
def test_the_text_does_not_depend_on_how_bytes_are_split(pieces: list[bytes]) -> None:
    tape = OutputTape(FakeClock())
    for piece in pieces:
        tape.feed(piece)
    assert "".join(chunk.text for chunk in tape.close()) == b"".join(pieces).decode("utf-8", "replace")
