"""Proof that the kernel ended a run because memory ran out."""

from __future__ import annotations

import sys

import pytest

from hyperspace_core.execution import identity
from hyperspace_core.execution.identity import out_of_memory_kills, proof


def test_a_counter_that_rose_is_proof():
    before, after = {"its control group": 2, "the machine": 5}, {"its control group": 3, "the machine": 6}
    assert proof(before, after, 61_200_000_000) == (
        "killed by the kernel: out of memory in its control group (peak RSS 61.2 GB)")


def test_unchanged_counters_prove_nothing():
    assert proof({"the machine": 5}, {"the machine": 5}, 1) is None
    assert proof({}, {"the machine": 5}, 1) is None


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="counters of the Linux kernel")
def test_this_machine_has_the_counter():
    assert out_of_memory_kills()["the machine"] >= 0


@pytest.mark.parametrize(("line", "file"), [
    ("0::/job", "job/memory.events"), ("0::/job", "unified/job/memory.events"),
    ("9:memory:/job", "memory/job/memory.oom_control"),
])
def test_both_generations_of_control_groups_are_read(tmp_path, monkeypatch, line, file):
    counter = tmp_path / file
    counter.parent.mkdir(parents=True)
    counter.write_text("oom 4\noom_kill 3\n")
    lines = identity._lines
    monkeypatch.setattr(identity, "GROUPS", tmp_path)
    monkeypatch.setattr(identity, "_lines",
                        lambda path: [line] if str(path) == "/proc/self/cgroup" else lines(path))
    assert out_of_memory_kills()["its control group"] == 3
