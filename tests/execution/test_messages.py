"""Frames between a run and its worker."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, strategies as st

from hyperspace_core.execution.protocol import (
    MESSAGES,
    Ask,
    CodeDiffers,
    DamagedChannel,
    Ended,
    Message,
    Resolved,
    SourceTaken,
    Unframer,
    framed,
)
from hyperspace_core.records.logged import ArtifactStaged, InfoSet, Points, Progress, ProgressSet
from hyperspace_core.records.run import Finish, Metric, Snapshot, SourceFile, Update
from hyperspace_core.records.states import Outcome
from hyperspace_core.run import Absent, Section

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-2**63, 2**63 - 1) | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4), max_leaves=20)


@given(st.lists(st.tuples(st.text(max_size=5), VALUES), max_size=6), st.integers(1, 50))
def test_a_stream_cut_anywhere_gives_the_same_messages(entries, step):
    sent = [InfoSet(key, value) for key, value in entries]
    stream = b"".join(MESSAGES.frame(message) for message in sent)
    unframer = Unframer()
    heard = [m for start in range(0, len(stream), step) for m in unframer.feed(stream[start:start + step])]
    assert heard == sent


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, -0.0, 5e-324, 2.0**1023])
def test_every_float_arrives_unchanged(value):
    (heard,) = Unframer().feed(MESSAGES.frame(Points([(0, "loss", None, value, 1.0)])))
    assert math.copysign(1, heard.points[0][3]) == math.copysign(1, value)
    assert repr(heard.points[0][3]) == repr(value)


@pytest.mark.parametrize("flag", [True, False])
def test_an_outcome_arrives_complete(flag):
    finish = Finish(outcome=Outcome.FAILED, reason="ValueError: é", traceback="Traceback …", retry=False,
                    metrics={"a": 1, "b": math.inf})
    (heard,) = Unframer().feed(MESSAGES.frame(Ended(finish, heard=flag)))
    assert isinstance(heard, Ended)
    assert (heard.finish, heard.heard) == (finish, flag)


@pytest.mark.parametrize("message", [
    Points([(0, "loss", None, 0.5, 1.0), (1, "loss", 3, 0.25, 2.0)]),
    InfoSet("folds", [1, 2.0, None, {"a": b"bytes"}]),
    ProgressSet(Progress(done=1.0, total=4.0, eta_s=3.0, note="first fold")),
    ArtifactStaged("plots/roc.png", "/tmp/x"),
    Section("git", {"commit": "abc", "dirty": False}),
    Absent("git", "no repository"),
    Resolved(Update(scenario={"className": "fit"}, config={"lr": 0.1}, metric=Metric(name="loss"), seed=7)),
    SourceTaken([Snapshot(files=(SourceFile(path="a.py", digest="d" * 64, size=3),))], {"a.py": b"x=1"},
                {"b.py": "/src/b.py"}),
    Ask(3, "mine.topic", {"series": "loss"}),
    CodeDiffers("`classifier`: no Forest"),
    Ended(Finish(outcome=Outcome.COMPLETED, result=0.5, metrics={"loss": 0.5}), heard=True),
], ids=lambda message: type(message).__name__)
def test_every_kind_of_message_arrives_as_it_was_sent(message: Message) -> None:
    (heard,) = Unframer().feed(MESSAGES.frame(message))

    assert type(heard) is type(message)
    assert heard == message


def test_a_section_of_a_plugin_s_own_class_arrives() -> None:
    class Own(Section):
        pass

    (heard,) = Unframer().feed(MESSAGES.frame(Own("mine", {"a": 1})))

    assert heard == Section("mine", {"a": 1})


def test_an_object_that_is_no_message_is_refused() -> None:
    with pytest.raises(TypeError, match="Finish is no message"):
        MESSAGES.frame(Finish(outcome=Outcome.COMPLETED))  # type: ignore[arg-type]


@pytest.mark.parametrize("content", [b"hello", b"", b"\0hello", b"\1"])
def test_bytes_that_are_no_message_are_noticed(content: bytes) -> None:
    with pytest.raises(DamagedChannel, match="user code wrote to the run's channel"):
        Unframer().feed(framed(content) + b"and more")
