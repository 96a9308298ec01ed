"""The systemd unit and the Slurm script in the documentation."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from hyperspace_core.records.states import Outcome, State
from pytest_hyperspace.project import make_project
from support.behaving import FILES, PROJECT, began, in_state, opened_for_tests, submit

PAGE = Path(__file__).parents[2] / "docs" / "howto" / "systemd-slurm.md"
UNIT = "hyperspace-worker@digits.service"
OK_EXPOSURE = 30               # of 100, by `systemd-analyze security`; without any protection it is 96


def shown(language: str) -> str:
    block, = re.findall(rf"^```{language}\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.M | re.S)
    return str(block)


@pytest.fixture
def unit(tmp_path: Path) -> Path:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("there is no systemd-analyze here")
    text = shown("ini")
    program = "/opt/hyperspace/bin/hyperspace"
    assert f"ExecStart={program} worker " in text
    (tmp_path / UNIT).write_text(text.replace(program, sys.executable))    # an existing program
    return tmp_path / UNIT


def analyzed(*words: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["systemd-analyze", *map(str, words)], text=True, check=False,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT)


def test_systemd_accepts_the_unit(unit: Path) -> None:
    done = analyzed("verify", unit)

    about_it = [line for line in done.stdout.splitlines() if UNIT in line]
    assert about_it == []
    assert done.returncode == 0


def test_systemd_detects_a_misspelt_setting(unit: Path) -> None:
    unit.write_text(unit.read_text().replace("NoNewPrivileges=", "NoNewPrivilege="))

    assert "NoNewPrivilege" in analyzed("verify", unit).stdout


def test_the_unit_has_a_low_exposure(unit: Path) -> None:
    done = analyzed("security", "--offline=true", "--no-pager", f"--threshold={OK_EXPOSURE}", unit)
    if "unrecognized option" in done.stdout:
        pytest.skip("this systemd-analyze cannot judge a unit that is not loaded")

    assert done.returncode == 0, done.stdout
    assert "Overall exposure level" in done.stdout


def test_the_unit_s_stop_timeout_exceeds_a_run_s_grace() -> None:
    grace, patience = (int(re.search(pattern, shown("ini"))[1])        # type: ignore[index]
                       for pattern in (r"--grace (\d+)", r"TimeoutStopSec=(\d+)"))

    assert patience >= grace + 15


def test_slurm_s_time_limit_releases_the_run(tmp_path: Path) -> None:
    """Slurm sends SIGTERM to the process of the script, and to no other."""
    script = shown("sh")
    bound, grace = (int(re.search(pattern, script)[1])                 # type: ignore[index]
                    for pattern in (r"--signal=B:TERM@(\d+)", r"--grace (\d+)"))
    assert grace < bound
    url = f"sqlite:///{tmp_path}/runs.db"
    project = make_project(tmp_path / "project", name=PROJECT, files=FILES)
    batch = sbatch(tmp_path, script.replace("--project digits", f"--project {PROJECT}"), url)
    with opened_for_tests(url) as store:
        run, = submit(store, "wait", config={"folder": str(tmp_path)})
        job = subprocess.Popen(["bash", str(batch)], env=project.env() | {"HOME": str(tmp_path)},
                               stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        began(tmp_path, run)
        os.kill(job.pid, signal.SIGTERM)
        said, _ = job.communicate(timeout=60)

        assert job.returncode == 0, said
        record = in_state(store, run, State.QUEUED)
        assert record.attempts[0].outcome is Outcome.RELEASED
        assert record.losses == 0


def sbatch(home: Path, script: str, url: str) -> Path:
    """The script in a home with what it needs: a virtual environment and a file with the store's URL."""
    activate = home / "hyperspace-venv" / "bin" / "activate"
    activate.parent.mkdir(parents=True)
    activate.write_text(f'export PATH="{Path(sys.executable).parent}:$PATH"\n')
    address = home / ".config" / "hyperspace" / "digits.url"
    address.parent.mkdir(parents=True)
    address.write_text(url + "\n")
    batch = home / "workers.sbatch"
    batch.write_text(script)
    return batch
