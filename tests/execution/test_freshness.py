"""Sources that change under a process that has read them."""

from __future__ import annotations

import importlib.util
import os
import sys
import time
from pathlib import Path

from hyperspace_core.capture.project_modules import loaded_sources
from hyperspace_core.execution.code import changed, forget_bytecode, stamps


def test_an_edit_a_removal_and_a_new_file_are_noticed(tmp_path):
    files = [tmp_path / name for name in ("a.py", "b.py", "c.py")]
    for file in files:
        file.write_text("x = 1\n")
        os.utime(file, ns=(1, 1))
    os.utime(tmp_path, ns=(1, 1))
    known = stamps([*files, tmp_path], read_since_ns=time.time_ns())
    assert changed(known) == []
    files[0].write_text("x = 2\n")
    assert changed(known) == [str(files[0])]
    os.utime(files[0], ns=(1, 1))
    files[1].unlink()
    assert set(changed(known)) == {str(files[1]), str(tmp_path)}


def test_a_file_that_changed_while_read_is_never_fresh(tmp_path):
    file = tmp_path / "a.py"
    began = time.time_ns() - 10**9
    file.write_text("x = 1\n")
    assert changed(stamps([file], read_since_ns=began)) == [str(file)]


def test_a_future_mtime_is_not_an_edit(tmp_path):
    file = tmp_path / "a.py"
    file.write_text("x = 1\n")
    later = time.time_ns() + 10**12
    os.utime(file, ns=(later, later))
    assert changed(stamps([file], read_since_ns=0)) == []


def test_installed_libraries_are_not_watched(tmp_path, monkeypatch):
    (tmp_path / "wip_module.py").write_text("x = 1\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    __import__("wip_module")
    try:
        found = loaded_sources(())
        assert tmp_path / "wip_module.py" in found
        assert not any("site-packages" in str(path) for path in found)
        assert Path(os.__file__) not in found
        assert not any(Path("hyperspace_core") in path.parents for path in found)
        assert any(path.match("pytest/__init__.py") for path in loaded_sources(("pytest",)))
    finally:
        del sys.modules["wip_module"]


def test_bytecode_of_a_changed_source_is_removed(tmp_path):
    source = tmp_path / "a.py"
    source.write_text("x = 1\n")
    cached = Path(importlib.util.cache_from_source(str(source)))
    cached.parent.mkdir()
    cached.write_bytes(b"old")
    forget_bytecode([str(source), str(tmp_path / "tasks.json"), str(tmp_path / "gone.py")])
    assert not cached.exists()
