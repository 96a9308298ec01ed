"""The owner of a run, and the proof of its death."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace

import pytest

from hyperspace_core.execution.identity import proven_dead, this_process, user_at_host, worker_name

linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="proof of death needs /proc")


@pytest.fixture
def living():
    return this_process("w")


def test_this_process_is_alive(living):
    assert living.pid == os.getpid()
    assert living.worker == "w"
    assert not proven_dead(living)


@linux
def test_a_process_that_has_ended_is_dead(living):
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        process.wait()
    assert proven_dead(replace(living, pid=process.pid))


@linux
def test_a_zombie_is_dead(living):
    process = subprocess.Popen([sys.executable, "-c", ""], stdout=subprocess.PIPE)
    try:
        assert process.stdout.read() == b""                     # its end of the pipe closes at its death
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        assert proven_dead(replace(living, pid=process.pid))
    finally:
        process.wait()
        process.stdout.close()


@linux
def test_a_reused_pid_is_not_the_old_owner(living):
    assert proven_dead(replace(living, process_started=living.process_started - 1))


@pytest.mark.parametrize("elsewhere", [{"boot_id": "another"}, {"pid_namespace": "pid:[1]"}, {"boot_id": ""},
                                       {"pid_namespace": ""}, {"pid": 0}])
def test_nothing_is_proved_about_another_boot_or_namespace(living, elsewhere):
    gone = {"pid": 2**22 + 1} | elsewhere
    assert not proven_dead(replace(living, **gone))


def test_worker_names_are_unique_and_hold_the_pid():
    first, second = worker_name(), worker_name()
    assert first != second
    assert str(os.getpid()) in first


def test_a_user_without_a_name_is_named_by_uid(monkeypatch):
    def nameless():
        raise KeyError("getpwuid(): uid not found")

    monkeypatch.setattr("getpass.getuser", nameless)
    assert user_at_host().split("@")[0] == str(os.getuid())
