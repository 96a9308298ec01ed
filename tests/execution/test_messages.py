"""Frames between a run and its worker."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hyperspace_core.execution.protocol import DamagedChannel, Ended, InfoSet, Points, Unframer, ended, frame
from hyperspace_core.records.run import Finish
from hyperspace_core.records.states import Outcome

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-2**63, 2**63 - 1) | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4), max_leaves=20)


@given(st.lists(st.tuples(st.text(max_size=5), VALUES), max_size=6), st.integers(1, 50))
def test_a_stream_cut_anywhere_gives_the_same_messages(entries, step):
    sent = [InfoSet(key, value) for key, value in entries]
    stream = b"".join(frame(message) for message in sent)
    unframer = Unframer()
    heard = [m for start in range(0, len(stream), step) for m in unframer.feed(stream[start:start + step])]
    assert heard == sent


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, -0.0, 5e-324, 2.0**1023])
def test_every_float_arrives_unchanged(value):
    (heard,) = Unframer().feed(frame(Points([(0, "loss", None, value, 1.0)])))
    assert math.copysign(1, heard.points[0][3]) == math.copysign(1, value)
    assert repr(heard.points[0][3]) == repr(value)


@pytest.mark.parametrize("flag", [True, False])
def test_an_outcome_arrives_complete(flag):
    finish = Finish(outcome=Outcome.FAILED, reason="ValueError: é", traceback="Traceback …", retry=False,
                    metrics={"a": 1, "b": math.inf})
    (heard,) = Unframer().feed(frame(ended(finish, heard=flag)))
    assert isinstance(heard, Ended)
    assert (heard.finish(), heard.heard) == (finish, flag)


def test_bytes_that_are_no_message_are_noticed():
    with pytest.raises(DamagedChannel, match="user code wrote to the run's channel"):
        Unframer().feed(b"\0\0\0\5hello and more")
