"""The live run: values that user code may log, and errors for others."""

from __future__ import annotations

import enum
import logging
import math
import os
import subprocess
import sys
import threading
from datetime import datetime
from decimal import Decimal
from fractions import Fraction
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

import numpy as np
import pytest
from hypothesis import given, strategies as st

from hyperspace_core.errors import HyperspaceError, ValueNotStorable
from hyperspace_core.records.logged import Progress, check_label, progress_of
from hyperspace_core.run import Memory, Run, as_current_run, current_run


class Metric(enum.StrEnum):
    LOSS = "loss"


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return Run.local(seed=0, workdir=tmp_path / "work")


def sink(run: Run) -> Memory:
    assert isinstance(run.sink, Memory)
    return run.sink


# -- log_scalar ----------------------------------------------------------------------------------------------


def test_points_are_numbered_without_gaps_over_all_series(run: Run) -> None:
    run.log_scalar("loss", 0.5, 0)
    run.log_scalar("accuracy", 0.9)
    run.log_scalar("loss", 0.25, 1)

    assert [(p.seq, p.name, p.step, p.value) for p in sink(run).points] == [
        (0, "loss", 0, 0.5), (1, "accuracy", None, 0.9), (2, "loss", 1, 0.25),
    ]


@pytest.mark.parametrize(("value", "kept"), [
    (3, 3.0), (2**63 - 1, float(2**63 - 1)), (-0.0, -0.0), (np.float32(0.5), 0.5), (np.float64(0.1), 0.1),
    (np.int64(7), 7.0), (np.array(1.5), 1.5), (np.uint8(255), 255.0),
    (math.inf, math.inf), (-math.inf, -math.inf),
])
def test_b32_every_kind_of_real_number_becomes_a_float(run: Run, value: Any, kept: float) -> None:
    run.log_scalar("x", value)

    found = sink(run).points[0].value
    assert type(found) is float
    assert (found, math.copysign(1, found)) == (kept, math.copysign(1, kept))


def test_b36_nan_is_kept_and_warned_about_once(run: Run, caplog: pytest.LogCaptureFixture) -> None:
    for step in range(3):
        run.log_scalar("loss", math.nan, step)
    run.log_scalar("other", np.float32(math.nan))

    assert [math.isnan(p.value) for p in sink(run).points] == [True] * 4
    assert caplog.messages == [
        "series 'loss': nan at step 0; it is kept, and never counts as the best",
        "series 'other': nan at step None; it is kept, and never counts as the best",
    ]
    assert {record.levelno for record in caplog.records} == {logging.WARNING}


@pytest.mark.parametrize(("value", "kind"), [
    ("high", "str"), (None, "NoneType"), (True, "bool"), (np.bool_(True), "bool"), ([0.5], "list"),
    (1j, "complex"), (np.array([0.5]), "ndarray"), (np.array("x"), "str"), (Decimal("0.5"), "Decimal"),
    (Fraction(1, 2), "Fraction"), (datetime(2026, 1, 1), "datetime"),
])
def test_b37_what_is_no_number_is_refused_in_that_line(run: Run, value: Any, kind: str) -> None:
    with pytest.raises(ValueNotStorable) as caught:
        run.log_scalar("acc", value)

    assert str(caught.value) == f"log_scalar('acc', …): expected a number, got {kind}"
    assert sink(run).points == []


def test_b35_a_whole_number_beyond_64_bit_is_named_with_its_step(run: Run) -> None:
    with pytest.raises(ValueNotStorable) as caught:
        run.log_scalar("parameters", 2**64, 3)

    assert str(caught.value) == "log_scalar('parameters', …, step=int 3): a whole number beyond 64 bit"


@pytest.mark.parametrize("name", [
    "", "x" * 201, "x" * 5000, "a\nb", "a\r", "a\0b", "a\x1b[31m", "half \ud800", "a\u2028b", None, 7,
    b"loss",
])
def test_b38_a_name_is_one_line_that_can_be_shown(run: Run, name: Any) -> None:
    with pytest.raises(ValueNotStorable) as caught:
        run.log_scalar(name, 0.5)

    message = str(caught.value)
    assert message.startswith("log_scalar(") and message.endswith(": a name is 1 to 200 printable characters")
    assert len(message) < 200 and message.replace("…", "").isascii()


@pytest.mark.parametrize("name", ["loss", "val/loss", "x" * 200, "$gain", "a.b", "Verlust µ", "ロス", "_id"])
def test_b38_any_other_name_is_kept(run: Run, name: str) -> None:
    run.log_scalar(name, 0.5)

    assert sink(run).points[0].name == name


def test_names_of_enums_and_numpy_become_plain_texts(run: Run) -> None:
    run.log_scalar(Metric.LOSS, 0.5)
    run.log_scalar(np.str_("loss"), 0.5)

    assert [(type(p.name), p.name) for p in sink(run).points] == [(str, "loss")] * 2


@pytest.mark.parametrize(("step", "shown"), [
    (-1, "int -1"), (0.5, "float 0.5"), (1.0, "float 1.0"), (math.nan, "float nan"), (True, "bool True"),
    ("3", "str '3'"), (2**63, f"int {2**63}"), (np.float32(1), "float 1.0"), (np.int64(-1), "int -1"),
])
def test_b39_a_step_is_a_whole_number(run: Run, step: Any, shown: str) -> None:
    with pytest.raises(ValueNotStorable) as caught:
        run.log_scalar("loss", 0.5, step)

    assert str(caught.value) == f"log_scalar('loss', …): a step is a whole number >= 0, got {shown}"
    assert sink(run).points == []


def test_a_step_may_come_from_numpy(run: Run) -> None:
    run.log_scalar("loss", 0.5, np.int64(3))

    step = sink(run).points[0].step
    assert (type(step), step) == (int, 3)


def test_b39_repeated_steps_are_kept_and_warned_about_once(
        run: Run, caplog: pytest.LogCaptureFixture) -> None:
    for step in (0, 5, 5, 3):
        run.log_scalar("loss", 0.5, step)
    run.log_scalar("loss", math.inf, 2)

    assert [p.step for p in sink(run).points] == [0, 5, 5, 3, 2]
    assert caplog.messages == [
        "series 'loss': step 5 after 5; points keep the order of the calls",
        "series 'loss': inf at step 2; it is kept, and never counts as the best",
    ]


def test_threads_that_log_at_once_get_unique_numbers(run: Run) -> None:
    threads, each = 8, 500
    together = threading.Barrier(threads)

    def log(number: int) -> None:
        together.wait(30)
        for step in range(each):
            run.log_scalar(f"loss-{number}", 0.5, step)

    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        workers = [threading.Thread(target=log, args=(number,)) for number in range(threads)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join(30)
    finally:
        sys.setswitchinterval(before)

    assert sorted(p.seq for p in sink(run).points) == list(range(threads * each))


# -- info ----------------------------------------------------------------------------------------------------


def test_info_is_sent_when_it_is_set(run: Run) -> None:
    run.info["a"] = 1
    run.info.update({"b": 2}, c=3)
    run.info |= {"d": 4}
    assert run.info.setdefault("d", 5) == 4
    assert run.info.setdefault("e", 5) == 5

    assert run.info == sink(run).infos == {"a": 1, "b": 2, "c": 3, "d": 4, "e": 5}


def test_info_keeps_a_copy_of_the_value(run: Run) -> None:
    layers = [10, 20]
    run.info["layers"] = layers
    layers.append(30)

    assert sink(run).infos == {"layers": [10, 20]}


def test_a_list_in_info_that_grew_can_be_set_again(run: Run) -> None:
    run.info.setdefault("losses", []).append(0.5)
    assert sink(run).infos == {"losses": []}
    run.info["losses"] = run.info["losses"]
    assert sink(run).infos == {"losses": [0.5]}


def circle() -> dict[str, Any]:
    tree: dict[str, Any] = {}
    tree["self"] = tree
    return tree


def deep(levels: int) -> dict[str, Any]:
    tree: dict[str, Any] = {}
    for _ in range(levels):
        tree = {"a": tree}
    return tree


class Shape(enum.Enum):
    ROUND = 1


@pytest.mark.parametrize(("given", "kept"), [
    (np.float32(0.5), 0.5), (np.bool_(True), True), (np.array(3), 3), ((1, 2), [1, 2]), (Path("a/b"), "a/b"),
    (Shape.ROUND, "ROUND"), ({"a.b": 1, "$c": 2, "": 3, "_id": 4}, {"a.b": 1, "$c": 2, "": 3, "_id": 4}),
    ({"text": "a\0b"}, {"text": "a\0b"}), ([math.inf, -0.0, 2**63 - 1], [math.inf, -0.0, 2**63 - 1]),
])
def test_b28_b32_b34_info_keeps_plain_values(run: Run, given: Any, kept: Any) -> None:
    run.info["x"] = given

    assert sink(run).infos["x"] == kept
    assert type(sink(run).infos["x"]) is type(kept)


@pytest.mark.parametrize(("value", "says"), [
    pytest.param(circle(), "info.x.self: refers to itself", id="b26"),
    pytest.param({"table": {1: "a"}}, "info.x.table: key 1 is int; keys must be strings", id="b27"),
    pytest.param({"table": {None: "a"}}, "info.x.table: key None is NoneType; keys must be strings",
                 id="b27-none"),
    pytest.param({(1, 2): "a"}, "info.x: key (1, 2) is tuple; keys must be strings", id="b27-tuple"),
    pytest.param({"a\0b": 1}, "info.x: key 'a\\x00b' holds a NUL character; leave it out", id="b29"),
    pytest.param(["ok", "\ud800"], "info.x[1]: text holds half of a surrogate pair at position 0", id="b30"),
    pytest.param({"preds": np.zeros(5_000_000)},
                 "info.x.preds: ndarray of 40 MB; log it with log_artifact()", id="b33"),
    pytest.param({1, 2}, "info.x: set {1, 2} cannot be stored", id="b34-set"),
    pytest.param(datetime(2026, 1, 1), "info.x: a datetime without a time zone", id="b34-naive"),
    pytest.param(b"abc", "info.x: 3 bytes; log them with log_artifact()", id="b34-bytes"),
    pytest.param([1, 1j], "info.x[1]: complex 1j cannot be stored", id="b34-complex"),
    pytest.param(2**64, "info.x: integer too large (limit 64 bit)", id="b35"),
    pytest.param(deep(70), "nested deeper than 64 levels at info.x.a.a", id="b17"),
])
def test_info_refuses_other_values_and_names_their_path(run: Run, value: Any, says: str) -> None:
    run.info["x"] = "before"
    with pytest.raises(ValueNotStorable) as caught:
        run.info["x"] = value

    assert str(caught.value).startswith(says)
    assert run.info == sink(run).infos == {"x": "before"}


@pytest.mark.parametrize("way", [
    lambda info: info.update({3: 1}),
    lambda info: info.setdefault(3, 1),
    lambda info: info.__ior__({3: 1}),
    lambda info: info.__setitem__(3, 1),
])
def test_b27_a_key_that_is_not_text_is_refused(run: Run, way: Any) -> None:
    with pytest.raises(ValueNotStorable, match="info: key 3 is int; keys must be strings"):
        way(run.info)

    assert run.info == {}


# -- artifacts -----------------------------------------------------------------------------------------------


def kept_of(run: Run) -> dict[str, bytes]:
    return {name: path.read_bytes() for name, path in sink(run).artifacts.items()}


def test_a_file_is_copied_before_the_call_returns(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "model.bin"
    path.write_bytes(b"weights")
    run.log_artifact(path)
    run.log_artifact(str(path), "models/best.bin")
    path.write_bytes(b"overwritten")

    assert kept_of(run) == {"model.bin": b"weights", "models/best.bin": b"weights"}
    assert all(staged.is_relative_to(run.workdir) for staged in sink(run).artifacts.values())


@pytest.mark.parametrize("content", [b"\0\xff", bytearray(b"\0\xff"), memoryview(b"\0\xff")])
def test_bytes_are_kept_under_a_name(run: Run, content: Any) -> None:
    run.log_artifact(content, "a.bin")

    assert kept_of(run) == {"a.bin": b"\0\xff"}


def test_bytes_without_a_name_are_refused(run: Run) -> None:
    with pytest.raises(ValueNotStorable, match=r"pass a name, as in log_artifact\(data, 'model.bin'\)"):
        run.log_artifact(b"weights")


def test_a_later_artifact_of_the_same_name_replaces_the_earlier(run: Run) -> None:
    run.log_artifact(b"first", "a")
    run.log_artifact(b"second", "a")

    assert kept_of(run) == {"a": b"second"}


HOSTILE = [
    "", ".", "..", "/", "/etc/passwd", "../up", "a/../b", "a/..", "a//b", "a/", "./a", "a/./b", "..\\up",
    "a\\b", "C:\\windows", "C:up", "C:/up", "a\0b", "a\nb", "a\x1bb", "half \udcff",
    "txt.\u202egnp", "x" * 201, 7,
]


@pytest.mark.parametrize("name", HOSTILE)
def test_a_name_that_could_lead_elsewhere_is_refused(run: Run, name: Any) -> None:
    with pytest.raises(ValueNotStorable) as caught:
        run.log_artifact(b"x", name)

    message = str(caught.value)
    assert message.startswith("artifact name ")
    assert message.endswith(": use a plain relative name such as 'plots/roc.png'")
    assert sink(run).artifacts == {}
    assert not run.workdir.exists()


PIECES = st.lists(st.sampled_from(["..", ".", "", "a", "/", "\\", ":", "~"]))


@given(st.text(max_size=12) | PIECES.map("/".join))
def test_a_valid_name_stays_in_its_folder_on_every_system(name: str) -> None:
    try:
        label = check_label(name)
    except ValueNotStorable:
        return
    for kind in (PurePosixPath, PureWindowsPath):
        path = kind(label)
        assert not path.is_absolute() and not path.drive and path.parts
        assert ".." not in path.parts and "." not in path.parts


@pytest.mark.parametrize("name", [
    "a", "plots/roc.png", ".hidden", "a b", "größe.png", "..a", "a..", "x" * 200,
])
def test_plain_names_are_kept_as_they_are(run: Run, name: str) -> None:
    run.log_artifact(b"x", name)

    assert list(sink(run).artifacts) == [name]


@pytest.mark.parametrize(("content", "cause"), [
    ("nowhere.bin", "no such file; to log a text itself, pass text.encode() and a name"),
    ("a\0b", "no such file; to log a text itself, pass text.encode() and a name"),
    (".", "a directory; log its files one by one, or an archive of it (shutil.make_archive)"),
    (42, "expected a path or bytes"),
    (None, "expected a path or bytes"),
])
def test_a_missing_file_is_an_error_with_a_cure(
        run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: Any, cause: str) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueNotStorable) as caught:
        run.log_artifact(content, "a")

    assert str(caught.value).startswith("log_artifact(") and str(caught.value).endswith(f": {cause}")
    assert sink(run).artifacts == {}


def test_a_copy_that_fails_half_way_leaves_nothing_behind(run: Run) -> None:
    unreadable = Path("/proc/self/mem")        # a file that opens but cannot be read
    if not unreadable.exists():
        pytest.skip("this system has no such file")
    with pytest.raises(OSError, match="Input/output error"):
        run.log_artifact(unreadable, "memory")

    assert list(run.workdir.iterdir()) == []
    assert sink(run).artifacts == {}


# -- progress ------------------------------------------------------------------------------------------------


def last_progress(run: Run) -> Progress:
    progress = sink(run).last_progress
    assert progress is not None
    return progress


def test_progress_without_a_total_has_no_estimate(run: Run) -> None:
    run.progress(3)

    assert last_progress(run) == Progress(done=3.0)


def test_the_estimate_assumes_a_constant_pace(run: Run) -> None:
    run.progress(1, 4, "first")
    early = last_progress(run).eta_s
    run.progress(np.int64(4), np.float32(4), "last")

    assert early is not None and early > 0
    assert last_progress(run) == Progress(done=4.0, total=4.0, eta_s=0.0, note="last")
    assert progress_of(2, 8, "", elapsed_s=10.0).eta_s == 30.0


@pytest.mark.parametrize(("done", "total", "known"), [
    (0, 10, Progress(done=0.0, total=10.0)),
    (12, 10, Progress(done=12.0, total=10.0, eta_s=0.0)),
    (math.nan, 10, Progress(done=0.0, total=10.0)),
    (3, math.inf, Progress(done=3.0)),
    ("half", "all", Progress(done=0.0)),
    (None, None, Progress(done=0.0)),
    (3, 0, Progress(done=3.0, total=0.0)),
    (-1, 10, Progress(done=-1.0, total=10.0)),
])
def test_bad_progress_values_raise_nothing(run: Run, done: Any, total: Any, known: Progress) -> None:
    run.progress(done, total)

    assert last_progress(run) == known


@pytest.mark.parametrize(("note", "kept"), [("x" * 1000, "x" * 200), (7, "7"), ("a\udcff", "a\\udcff")])
def test_a_note_is_short_text_that_every_store_takes(run: Run, note: Any, kept: str) -> None:
    run.progress(1, 2, note)

    assert last_progress(run).note == kept


# -- stop requests -------------------------------------------------------------------------------------------


def test_a_run_that_calls_should_stop_gets_the_flag(run: Run) -> None:
    assert run.should_stop() is False
    assert run.request_stop() is True
    assert run.should_stop() is True


def test_a_run_that_never_calls_should_stop_is_interrupted(run: Run) -> None:
    assert run.request_stop() is False


# -- a local run ---------------------------------------------------------------------------------------------


def test_a_local_run_draws_a_seed_unless_it_gets_one() -> None:
    assert Run.local(seed=7).seed == 7
    drawn = {Run.local().seed for _ in range(5)}
    assert len(drawn) > 1
    assert all(0 <= seed < 2**32 for seed in drawn)


def test_a_local_run_keeps_its_folder_after_chdir(
        tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    run = Run.local(workdir="work")
    monkeypatch.chdir("/")
    run.log_artifact(b"x", "a")

    assert run.workdir == tmp_path / "work"
    assert kept_of(run) == {"a": b"x"}


def outside(code: str, tmp_path: Path) -> str:
    """The output of a program in a new interpreter."""
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True,
                          check=True, env=os.environ | {"TMPDIR": str(tmp_path)}, cwd=tmp_path)
    assert done.stderr == ""
    return done.stdout


LOCAL = """
import os, sys
from hyperspace_core import Run, current_run
run = Run.local(seed=3)
run.log_artifact(b"x", "a")
assert run.workdir.is_dir()
"""


def test_a_local_run_removes_its_temporary_folder(tmp_path: Path) -> None:
    assert outside(f"{LOCAL}\nprint(run.workdir)", tmp_path).strip().startswith(f"{tmp_path}/hyperspace-")
    assert list(tmp_path.iterdir()) == []


def test_a_fork_does_not_remove_the_folder_of_a_local_run(tmp_path: Path) -> None:
    forking = "if os.fork() == 0:\n    sys.exit()\nos.wait()\nprint(run.workdir.is_dir())"

    assert outside(f"{LOCAL}\n{forking}", tmp_path) == "True\n"
    assert list(tmp_path.iterdir()) == []


def test_a_local_run_needs_no_store_no_command_line_and_no_git(tmp_path: Path) -> None:
    code = f"""{LOCAL}
from hyperspace_core.run import as_current_run
with as_current_run(run):
    current_run().log_scalar("loss", 0.5, 0)
    run.info["a"] = 1
    run.progress(1, 2)
heavy = ("click", "rich", "git", "sqlite3", "pandas", "pluggy", "hyperspace_core.storage",
         "hyperspace_core.stores", "hyperspace_core.worker", "hyperspace_core.extension")
print([name for name in heavy if name in sys.modules])
"""
    assert outside(code, tmp_path) == "[]\n"


def test_repr_names_run_task_and_seed() -> None:
    run = Run(sink=Memory(), seed=3, workdir=Path("w"), id=42, task="holdout")

    assert repr(run) == "<Run 42 task='holdout' seed=3>"
    assert repr(Run.local(seed=3)) == "<Run local task='' seed=3>"


# -- the current run -----------------------------------------------------------------------------------------


def test_outside_of_a_run_there_is_no_current_one() -> None:
    with pytest.raises(HyperspaceError, match=r"no run is being executed here; .* `with as_current_run"):
        current_run()


def test_the_innermost_of_nested_runs_is_the_current_one() -> None:
    outer, inner = Run.local(seed=1), Run.local(seed=2)
    with as_current_run(outer):
        with as_current_run(inner) as entered:
            assert entered is inner
            assert current_run() is inner
        assert current_run() is outer
        with as_current_run(outer):
            assert current_run() is outer
        assert current_run() is outer
    with pytest.raises(HyperspaceError):
        current_run()


def test_a_run_that_raised_is_not_current_any_more() -> None:
    with pytest.raises(ZeroDivisionError), as_current_run(Run.local(seed=1)):
        raise ZeroDivisionError
    with pytest.raises(HyperspaceError):
        current_run()


def seen_in_thread() -> Run:
    found: list[Run] = []
    thread = threading.Thread(target=lambda: found.append(current_run()))
    thread.start()
    thread.join(30)
    return found[0]


def test_a_thread_of_user_code_finds_its_run() -> None:
    outer, inner = Run.local(seed=1), Run.local(seed=2)
    with as_current_run(outer):
        with as_current_run(inner):
            assert seen_in_thread() is inner
        assert seen_in_thread() is outer


def test_runs_in_two_threads_do_not_see_each_other() -> None:
    both_active = threading.Barrier(2)
    found: dict[int, Run] = {}
    runs = [Run.local(seed=seed) for seed in range(2)]

    def execute(run: Run) -> None:
        with as_current_run(run):
            both_active.wait(30)
            found[run.seed] = current_run()
            both_active.wait(30)

    threads = [threading.Thread(target=execute, args=(run,)) for run in runs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)

    assert found == {run.seed: run for run in runs}


@pytest.mark.parametrize(("arrays", "words"), [
    (([1, 2], [1]), "y_true has 2, y_pred has 1"),
    ((3, [1]), "one entry for each example"),
    ((np.array([object()]), [1]), "numbers or texts"),
    (([[1], [1, 2]], [1, 2]), "cannot be converted to an array"),
])
def test_invalid_predictions_are_refused_when_logged(arrays: tuple[object, object], words: str) -> None:
    run = Run.local(seed=0)

    with pytest.raises(ValueNotStorable, match=words):
        run.log_predictions(*arrays)
    assert isinstance(run.sink, Memory) and not run.sink.artifacts
