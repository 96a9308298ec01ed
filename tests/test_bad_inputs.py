"""Bad inputs, B10 to B41 of the reliability page: one test for each, with the message shown.

Details are tested beside each component; here each input comes from the command line, and nothing is left
half submitted.
"""

# ruff: noqa: F811 - fixtures of tests/cli are used here

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import UTC, datetime
from enum import Enum
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hyperspace_core import Study
from hyperspace_core.errors import ConfigError, ValueNotStorable
from hyperspace_core.records.filter import RunFilter
from hyperspace_core.records.run import RunRecord
from pytest_hyperspace.project import ProjectFolder
from support.commands import Answer, project_name, typed, url  # noqa: F401 - fixtures
from support.rights import file_modes_bind

PROJECT = "odd"

PLUGIN = """
from hyperspace_core.markers import hookimpl

@hookimpl
def hyperspace_register(register):
    from odd import parts
    register.module(parts)
    register.scenario(parts.behave, metric="score")
    register.tasks("odd.tasks")
"""

PARTS = '''
from dataclasses import dataclass, field

import numpy as np

from hyperspace_core.components import Component
from hyperspace_core.run import Run


class Model(Component):
    """What is fitted."""


@dataclass
class Flat(Model):
    width: int = 4


@dataclass
class Deep(Model):
    depth: int
    width: int = 4


def behave(run: Run, how: str = "", model: Model = Flat(), raw: dict = {}, count: int = 3, rate: float = 0.5,
           shared: list[int] = [0]):
    if how == "append":
        shared.append(len(shared))
        return {"score": float(len(shared))}
    if how == "numpy":
        run.log_scalar("loss", np.float32(0.5), np.int64(3))
        run.info["scalars"] = [np.float64(0.25), np.bool_(True)]
        return {"score": np.float32(0.75), "zero": np.array(2)}
    if how == "array":
        return {"score": 1.0, "predictions": np.zeros((1000, 100))}
    if how == "cycle":
        loop = {}
        loop["self"] = loop
        run.info["loop"] = loop
    if how == "big-int":
        run.log_scalar("big", 2**64, 7)
    if how == "nan":
        run.log_scalar("loss", float("nan"), 0)
        run.log_scalar("loss", float("-inf"), 1)
        return {"score": float("nan")}
    if how == "text":
        run.log_scalar("acc", "high")
    if how == "newline":
        run.log_scalar("a\\nb", 1.0)
    if how == "long-name":
        run.log_scalar("x" * 5000, 1.0)
    if how == "no-name":
        run.log_scalar("", 1.0)
    if how == "negative":
        run.log_scalar("loss", 1.0, -1)
    if how == "half":
        run.log_scalar("loss", 1.0, 0.5)
    if how == "backwards":
        for step in (5, 3, 3, 0):
            run.log_scalar("loss", float(step), step)
    if how == "many":
        for step in range(100_000):
            run.log_scalar("loss", step, step)
    if how == "huge":
        return {"score": 0.5} | {f"part {number} {'x' * 100}": 1.0 for number in range(20_000)}
    return {"score": 1.0}
'''

FILES = {"hyperspace.py": PLUGIN, "parts.py": PARTS, "tasks/__init__.py": "",
         "tasks/good.json": '{"scenario": "behave", "metric": {"name": "score"}, "seed": 1}'}
Typed = Callable[..., Answer]


@pytest.fixture
def project(hyperspace_project: Callable[..., ProjectFolder], monkeypatch: pytest.MonkeyPatch,
            url: str) -> ProjectFolder:
    monkeypatch.setenv("HYPERSPACE_PROJECT", PROJECT)
    return hyperspace_project(FILES, name=PROJECT)


@pytest.fixture
def refused(typed: Typed, project: ProjectFolder) -> Callable[..., str]:
    """Run a command that is refused with one message and queues nothing."""

    def one(*words: Any, expect: int = 3) -> str:
        answer = typed(*words, expect=expect)
        assert answer.out == ""
        assert answer.err.startswith("error: ")
        with Study(PROJECT) as study:
            assert list(study.store.find(RunFilter())) == []
        return answer.err.removeprefix("error: ").rstrip("\n")

    return one


@pytest.fixture
def failed(typed: Typed, project: ProjectFolder) -> Callable[[str], RunRecord]:
    """Run this behaviour, which fails; its record."""

    def one(how: str) -> RunRecord:
        number = typed("run", "good", "--set", f"how={how}", "--json", expect=1).json["id"]
        with Study(PROJECT) as study:
            return study.get(number)

    return one


Refused = Callable[..., str]
Failed = Callable[[str], RunRecord]


def task(project: ProjectFolder, content: str | bytes, name: str = "bad") -> Path:
    """Write a task file of the project."""
    path = project.package / "tasks" / f"{name}.json"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def config(tmp_path: Path, content: str | bytes) -> Path:
    path = tmp_path / "config.json"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


# -- files ---------------------------------------------------------------------------------------------------


def test_b10_a_task_file_that_is_missing(refused: Refused) -> None:
    assert refused("submit", "godo", expect=5) == (
        "no task 'godo' in project 'odd'; did you mean 'good'? Known: behave, good.")


def test_b10_a_task_file_that_is_a_directory(refused: Refused, project: ProjectFolder) -> None:
    (project.package / "tasks" / "bad.json").mkdir()

    assert refused("submit", "bad") == f"{project.package}/tasks/bad.json: is a directory"


def test_b10_a_task_file_that_may_not_be_read(refused: Refused, project: ProjectFolder) -> None:
    task(project, "{}").chmod(0)

    with file_modes_bind():
        assert refused("submit", "bad") == f"{project.package}/tasks/bad.json: permission denied"


def test_b11_json_syntax_error(refused: Refused, project: ProjectFolder) -> None:
    path = task(project, '{"scenario": "behave",\n "seed": 1 "metric": {}}')

    assert refused("submit", "bad") == (
        f"{path}:2:12: expected ',' or '}}'\n \"seed\": 1 \"metric\": {{}}}}\n           ^")


def test_b12_a_byte_order_mark_is_fine_other_encodings_not(
        typed: Typed, refused: Refused, project: ProjectFolder, tmp_path: Path) -> None:
    path = task(project, '{"scenario": "behave", "metric": {"name": "größe"}}'.encode("latin-1"))
    assert refused("submit", "bad") == f"{path}: not UTF-8 (byte 0xF6 at offset 45)"
    assert "not UTF-8 (byte 0xFF at offset 0)" in refused(
        "submit", "good", "--config", config(tmp_path, '{"count": 1}'.encode("utf-16")))

    task(project, b'\xef\xbb\xbf{"scenario": "behave"}')
    assert typed("submit", "bad").out == "queued run 1 of bad\n"


@pytest.mark.parametrize(("content", "found"), [("", "nothing"), ("  \n", "nothing"), ("[1]", "a list"),
                                                ('"x"', "a string"), ("3", "a number"), ("null", "null")])
def test_b13_an_empty_file_or_no_object(refused: Refused, project: ProjectFolder, tmp_path: Path,
                                        content: str, found: str) -> None:
    path = config(tmp_path, content)
    assert refused("submit", "good", "--config", path) == f"{path}: expected an object, found {found}"

    task(project, content)
    assert "bad.json: " in refused("submit", "bad")


def test_b14_a_key_twice(refused: Refused, project: ProjectFolder) -> None:
    path = task(project, '{"scenario": "behave",\n"seed": 1,\n"seed": 2}')

    assert refused("submit", "bad").splitlines()[0] == (
        f'{path}:3:1: key "seed" twice, on lines 2 and 3; keep one')


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999"])
def test_b15_what_is_no_number_in_json(refused: Refused, project: ProjectFolder, tmp_path: Path,
                                       number: str) -> None:
    assert "`rate`: " in refused("submit", "good", "--config", config(tmp_path, f'{{"rate": {number}}}'))
    if number == "1e999":
        assert "`rate`: " in refused("submit", "good", "--set", f"rate={number}")
    task(project, f'{{"scenario": "behave", "seed": {number}}}')
    assert "`seed`: " in refused("submit", "bad")


def test_b16_an_integer_of_5000_digits(refused: Refused, project: ProjectFolder, tmp_path: Path) -> None:
    digits = "7" * 5000

    task(project, f'{{"scenario": "behave", "seed": {digits}}}')
    first = refused("submit", "bad").splitlines()[0]
    assert first.endswith("`seed`: integer too large (limit 64 bit)")
    path = config(tmp_path, f'{{"count": {digits}}}')
    assert "integer too large" in refused("submit", "good", "--config", path)
    assert "integer too large" in refused("submit", "good", "--set", f"count={digits}")


def test_b17_nesting_of_100_000(refused: Refused, project: ProjectFolder, tmp_path: Path,
                                study: Study) -> None:
    deep = '{"raw":' * 100_000 + "1" + "}" * 100_000

    assert "nested deeper than 64 levels at raw.raw.raw" in refused("submit", "good", "--config",
                                                                    config(tmp_path, deep))
    tree: dict[str, Any] = {}
    for _ in range(100_000):
        tree = {"raw": tree}
    with pytest.raises(ConfigError, match="nested deeper than 64 levels at raw"):
        study.submit("good", tree)
    while tree:                            # released level by level: its destructor would recurse, too
        tree = tree.pop("raw")


# -- configs -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("model", "message"), [
    ('{"className": "Dep"}', "`model.className`: no model 'Dep'. Known: Deep, Flat. Did you mean 'Deep'?"),
    ('{"className": 7}', "`model.className`: expected a class name, found int 7"),
    ('7', "`model`: expected Model (a name, or a section with className), found int 7"),
])
def test_b18_a_class_name_that_is_unknown_or_no_text(refused: Refused, model: str, message: str) -> None:
    assert refused("submit", "good", "--set", f"model={model}") == message


def test_b18_a_plugin_that_failed_to_load_is_named(
        typed: Typed, project: ProjectFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    info = tmp_path / "plugin" / "breaker-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: breaker\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[hyperspace.plugins]\nbreaker = nowhere_to_be_found\n")
    monkeypatch.syspath_prepend(str(tmp_path / "plugin"))

    answer = typed("submit", "good", "--set", "model=Other", expect=3)

    error = answer.err.splitlines()[-1]
    assert error.startswith("error: `model`: no model 'Other'. Known: Deep, Flat.")
    assert "(plugin 'breaker' (breaker 1.0) is left out: its module 'nowhere_to_be_found'" in error


def test_b18_a_scenario_without_a_class_name(refused: Refused, project: ProjectFolder) -> None:
    path = task(project, '{"scenario": {"rows": 3}}')

    assert refused("submit", "bad") == f"{path}: `scenario.className`: missing; name the scenario's class"


def test_b19_an_unknown_parameter(refused: Refused) -> None:
    assert refused("submit", "good", "--set", "model=Deep", "--set", "model.dept=3").splitlines()[0] == (
        "`model.dept`: Deep has no such parameter; did you mean `depth`?")
    assert "`cuont`: behave has no such parameter; did you mean `count`?" in refused(
        "submit", "good", "--set", "cuont=3")


def test_b20_missing_parameters_and_wrong_types_all_at_once(refused: Refused, tmp_path: Path) -> None:
    path = config(tmp_path, '{"model": "Deep", "rate": "0.5", "count": true, "shared": [1.5]}')

    assert refused("submit", "good", "--config", path).splitlines() == [
        "`model.depth`: missing; Deep needs it (int)",
        "`count`: expected int, found bool True",
        "`rate`: expected float, found str '0.5'",
        "`shared.0`: expected int, found float 1.5",
    ]
    assert refused("submit", "good", "--set", "count=3.0") == "`count`: expected int, found float 3.0"


def test_b21_a_section_in_the_place_of_a_value_and_the_reverse(refused: Refused, tmp_path: Path) -> None:
    path = config(tmp_path, '{"count": 1, "raw": {"a": 1}}')

    assert refused("submit", "good", "--config", path, "--set", "count.b=2") == (
        "`count`: cannot replace a value by a section; found int 1 where the change has a section with `b`")
    assert refused("submit", "good", "--config", path, "--set", "raw=2") == (
        "`raw`: cannot replace a section by a value; found a section with `a` where the change has int 2")


def test_b22_another_class_drops_the_old_parameters(typed: Typed, project: ProjectFolder) -> None:
    typed("submit", "good", "--set", "model=Deep", "--set", "model.depth=3")

    answer = typed("rerun", 1, "--set", "model=Flat")

    assert "`model.depth`, `model.width` of run 1 do not carry over" in answer.err


def test_b23_two_classes_under_one_name(typed: Typed, project: ProjectFolder) -> None:
    project.write("twins.py", "from dataclasses import dataclass\n\nfrom odd.parts import Model\n\n\n"
              "@dataclass\nclass Flat(Model):\n    height: int = 1\n")
    project.write("hyperspace.py", f"{PLUGIN}\n    from odd import twins\n    register.module(twins)\n")

    line = typed("tasks", expect=3).err

    assert "two classes are registered as Model 'Flat': odd.parts:" in line
    assert " and odd.twins:" in line
    assert "give one of them another name" in line


def test_b24_a_default_list_is_not_shared_between_runs(typed: Typed, project: ProjectFolder) -> None:
    for _ in range(2):
        assert typed("run", "good", "--set", "how=append", "--json").json["result"] == 2.0


@pytest.mark.parametrize(("default", "cause"), [
    ("field(default_factory=lambda: 1 / 0)", "its default_factory raised ZeroDivisionError: division by"),
    ("None", "the default is None; annotate it `int | None`"),
    ('"many"', "expected int, found str 'many'"),
])
def test_b25_an_unreadable_default_is_an_error_on_opening(
        typed: Typed, project: ProjectFolder, default: str, cause: str) -> None:
    project.write("parts.py", PARTS.replace("int\n    width: int = 4", f"int\n    width: int = {default}"))

    line = typed("tasks", expect=3).err

    assert "Deep.width: " in line
    assert cause in line


def test_b26_what_refers_to_itself(study: Study, failed: Failed) -> None:
    loop: dict[str, Any] = {}
    loop["raw"] = loop
    with pytest.raises(ConfigError, match=r"nested deeper than 64 levels at raw\.raw\.raw"):
        study.submit("good", loop)
    assert study.store.ids(PROJECT) is None
    assert failed("cycle").reason == "ValueNotStorable: info.loop.self: refers to itself"


@pytest.mark.parametrize("key", [1, None, True, (1, 2)])
def test_b27_keys_that_are_no_text(study: Study, key: Any) -> None:
    with pytest.raises(ValueNotStorable, match=r"raw\.table: key .* keys must be strings"):
        study.submit("good", {"raw": {"table": {key: "x"}}})
    with pytest.raises(ConfigError, match=f"key .* is {type(key).__name__}; keys must be strings"):
        study.submit("good", {key: "x"})
    assert study.store.ids(PROJECT) is None


def test_b28_odd_keys_are_kept_as_they_are(typed: Typed, study: Study) -> None:
    raw = {"a.b": 1, "$where": 2, "": 3, "_id": 4, "100%": 5, "%2E": 6}

    run = study.submit("good", {"raw": raw})

    assert typed("runs", "show", run, "--json").json["config"]["raw"] == raw
    assert "$where: 2" in typed("runs", "show", run).out


def test_b29_nul_in_a_key_is_refused_and_in_a_value_kept(study: Study) -> None:
    with pytest.raises(ValueNotStorable, match=r"raw: key 'a\\x00b' holds a NUL character"):
        study.submit("good", {"raw": {"a\0b": 1}})
    assert study.store.ids(PROJECT) is None

    run = study.submit("good", {"raw": {"text": "a\0b"}})
    assert study.get(one(run)).submitted == {"raw": {"text": "a\0b"}}


def test_b30_half_of_a_surrogate_pair(study: Study) -> None:
    with pytest.raises(ValueNotStorable, match=r"raw\.file: text holds half of a surrogate pair"):
        study.submit("good", {"raw": {"file": "caf\udce9"}})
    assert study.store.ids(PROJECT) is None


@pytest.mark.parametrize("name", ["-x", "a b", "ta\u0301ck", "a\u202eb", "x" * 101, "\U0001f600"])
def test_b31_task_names_that_look_like_others(typed: Typed, project: ProjectFolder, name: str) -> None:
    task(project, '{"scenario": "behave"}', name)

    answer = typed("tasks")

    assert "use 1 to 100 of the characters A-Z a-z 0-9 . _ - and begin with a letter or digit" in answer.err
    assert "\u202e" not in answer.err
    assert [row[0] for row in answer.columns[1:]] == ["behave", "good"]


def test_b31_names_that_differ_only_in_case(typed: Typed, project: ProjectFolder) -> None:
    task(project, '{"scenario": "behave"}', "Good")

    assert "differ only in case; rename one" in typed("tasks").err


# -- what runs log and return --------------------------------------------------------------------------------


def test_b32_scalars_of_numpy_are_the_numbers_in_them(study: Study, typed: Typed) -> None:
    run = one(study.submit("good", {"how": "numpy", "count": np.int64(7), "rate": np.float32(0.25)}))
    assert study.get(run).config == {"how": "numpy", "model": {"className": "Flat", "width": 4}, "raw": {},
                                     "count": 7, "rate": 0.25, "shared": [0]}

    record = typed("rerun", run, "--here", "--json").json

    assert record["result"] == 0.75
    assert record["metrics"] == {"score": 0.75, "zero": 2}
    assert record["info"] == {"scalars": [0.25, True]}
    point, = study.store.points(record["id"])
    assert (point.value, point.step) == (0.5, 3)


def test_b33_an_array_beside_the_metric_is_noted(typed: Typed, project: ProjectFolder) -> None:
    number = typed("run", "good", "--set", "how=array", "--json").json["id"]

    reason = typed("runs", "show", number, "--json").json["reason"]
    assert reason.startswith("not stored: result.predictions: ")
    assert "log_artifact" in reason


class Colour(Enum):
    RED = 1


@pytest.mark.parametrize(("value", "kept"), [
    ((1, 2), [1, 2]), (Path("a/b"), "a/b"), (Colour.RED, "RED"),
    (datetime(2026, 1, 2, tzinfo=UTC), "2026-01-02T00:00:00+00:00"),
])
def test_b34_values_that_have_a_text_or_list_of_their_own(study: Study, value: Any, kept: Any) -> None:
    run = one(study.submit("good", {"raw": {"value": value}}))

    assert study.get(run).config["raw"] == {"value": kept}  # type: ignore[index]


@pytest.mark.parametrize("value", [{1, 2}, b"bytes", 1j, datetime(2026, 1, 2), object()])
def test_b34_values_that_no_store_could_give_back(study: Study, value: Any) -> None:
    with pytest.raises(ValueNotStorable, match=r"raw\.value"):
        study.submit("good", {"raw": {"value": value}})
    assert study.store.ids(PROJECT) is None


def test_b35_a_whole_number_beyond_64_bit_as_a_metric(failed: Failed) -> None:
    record = failed("big-int")

    assert "a whole number beyond 64 bit" in str(record.reason)
    assert "'big'" in str(record.reason) and "7" in str(record.reason)
    assert_line_is_shown(record, 'run.log_scalar("big", 2**64, 7)')


def test_b36_nan_is_kept_sorted_last_and_never_best(typed: Typed, study: Study) -> None:
    worse = one(study.submit("good", {"how": "nan"}))
    record = typed("rerun", worse, "--here", "--json").json
    typed("run", "good")

    assert record["result"] == "NaN"
    first, second = study.store.points(record["id"])
    assert math.isnan(first.value) and second.value == -math.inf
    ranked = study.results("good")
    assert [math.isnan(run.result or 0.0) for run in ranked] == [False, True]
    assert study.overview().best["good"].result == 1.0


def test_b37_a_metric_that_is_no_number_is_refused_at_its_line(failed: Failed) -> None:
    record = failed("text")

    assert record.reason == "ValueNotStorable: log_scalar('acc', …): expected a number, got str"
    assert_line_is_shown(record, 'run.log_scalar("acc", "high")')


@pytest.mark.parametrize("how", ["newline", "long-name", "no-name"])
def test_b38_names_of_metrics(failed: Failed, how: str) -> None:
    reason = str(failed(how).reason)

    assert "a name is 1 to 200 printable characters" in reason
    assert len(reason) < 300


@pytest.mark.parametrize("how", ["negative", "half"])
def test_b39_steps_below_zero_and_between(failed: Failed, how: str) -> None:
    assert "a step is a whole number >= 0" in str(failed(how).reason)


def test_b39_steps_that_go_back_or_come_again_are_kept_in_order(typed: Typed, study: Study) -> None:
    typed("run", "good", "--set", "how=backwards")

    assert [(point.seq, point.step) for point in study.store.points(1)] == [(0, 5), (1, 3), (2, 3), (3, 0)]


def test_b40_a_hundred_thousand_points_at_once_are_all_kept(typed: Typed, study: Study) -> None:
    typed("run", "good", "--set", "how=many")

    assert [point.seq for point in study.store.points(1)] == list(range(100_000))


def test_b41_a_result_too_large_for_a_record_is_kept_beside_it(typed: Typed, study: Study) -> None:
    record = typed("run", "good", "--set", "how=huge", "--json").json

    assert (record["state"], record["result"], record["metrics"]) == ("COMPLETED", 0.5, {"score": 0.5})
    assert "kept as the artifact result.json" in record["info"]["result_omitted"]
    artifact, = study.store.artifacts(record["id"])
    with study.store.open_artifact(artifact) as content:
        assert content.read(1) == b"{"


def one(ids: int | list[int]) -> int:
    assert isinstance(ids, int)
    return ids


def assert_line_is_shown(record: RunRecord, line: str) -> None:
    """Assert that the traceback contains the line of user code."""
    assert record.attempt is not None and line in str(record.attempt.traceback)
