"""Sorting of results, and their export to files."""

from __future__ import annotations

import csv
import json
import math
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from hyperspace_core.config.tree import MISSING
from hyperspace_core.errors import NotFound, UsageError
from hyperspace_core.records.logged import Point
from hyperspace_core.results.export import checked_format, write_csv, write_jsonl
from hyperspace_core.results.results import Results
from hyperspace_core.results.table import Column, Table
from support.records import completed

RUNS = [completed(1, 0.5, {"trees": 20, "kind": "b", "extra": 1}, seconds=3.0),
        completed(2, 0.9, {"trees": 100, "kind": "a"}, seconds=1.0),
        completed(3, math.nan, {"trees": 5, "kind": "c", "extra": None}, seconds=2.0)]
PAYLOADS = ["=1+1", "+1", "-1", "-0.5", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "\0=1", "＝1", "＋1", "－1",
            "＠1", '=cmd|"/c calc"!A1', '=HYPERLINK("http://x")', "-2+3+cmd", "@x", "+a;b", '="a""b"', "-"]


def table(*values: Any, name: str = "cell") -> Table:
    return Table(records=(), columns=(Column(name=name, path=name, values=values),))


def cells(path: Path) -> list[list[str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.reader(file))


# -- order ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("order", "ids"), [
    ("trees", [3, 1, 2]), ("-trees", [2, 1, 3]), ("config.trees", [3, 1, 2]), ("kind", [2, 1, 3]),
    ("seconds", [2, 3, 1]), ("-run", [3, 2, 1]), ("accuracy", [1, 2, 3]), ("-accuracy", [2, 1, 3]),
    ("result", [1, 2, 3]), ("extra", [1, 2, 3]), ("id", [1, 2, 3]), ("metrics.accuracy", [1, 2, 3]),
])
def test_runs_sort_by_any_column_with_missing_values_last(order: str, ids: list[int]) -> None:
    assert [run.id for run in Results(RUNS, order_by=order)] == ids
    assert [row[0] for row in Results(RUNS, order_by=order).table().rows] == ids


def test_runs_sort_by_class_name_under_a_short_name() -> None:
    runs = [completed(n, 0.5, {"classifier": {"className": name, "C": n}})
            for n, name in enumerate(("Support", "Forest", "Linear"))]

    assert [run.id for run in Results(runs, order_by="classifier")] == [1, 2, 0]
    assert [run.id for run in Results(runs, order_by="-C")] == [2, 1, 0]
    assert [run.id for run in Results(runs, order_by="-C")[:2]] == [2, 1]


def test_an_unknown_column_suggests_the_nearest() -> None:
    with pytest.raises(UsageError, match="order by 'tress': no run has such a column; did you mean 'trees'"):
        Results(RUNS, order_by="tress")
    with pytest.raises(UsageError, match="order by '-': expected a column"):
        Results(RUNS, order_by="-")
    assert list(Results(order_by="anything")) == []


# -- CSV -----------------------------------------------------------------------------------------------------


def test_formula_text_gets_a_leading_quote(tmp_path: Path) -> None:
    path = write_csv(table(*PAYLOADS), tmp_path / "a.csv")

    assert cells(path) == [["cell"], *([f"'{payload}"] for payload in PAYLOADS)]


def test_numbers_stay_numbers_to_the_last_digit(tmp_path: Path) -> None:
    path = write_csv(table(-0.5, 0.1 + 0.2, -3, math.nan, -math.inf, True, None, MISSING), tmp_path / "a.csv")

    assert [row[0] if row else "" for row in cells(path)[1:]] == [
        "-0.5", "0.30000000000000004", "-3", "nan", "-inf", "true", "null", ""]


def test_raw_leaves_text_unchanged(tmp_path: Path) -> None:
    path = write_csv(table(*PAYLOADS), tmp_path / "a.csv", raw=True)

    assert [row[0] for row in cells(path)[1:]] == PAYLOADS


def test_column_names_are_escaped_too(tmp_path: Path) -> None:
    assert cells(write_csv(table(1, name="=x"), tmp_path / "a.csv"))[0] == ["'=x"]


def test_commas_quotes_and_lines_are_quoted_and_lists_are_json(tmp_path: Path) -> None:
    path = write_csv(table('a,"b"\nc', [1, "ü"], {"className": "A"}), tmp_path / "a.csv")

    assert path.read_bytes().startswith(b'cell\r\n"a,""b""\nc"\r\n')
    assert [row[0] for row in cells(path)[1:]] == ['a,"b"\nc', '[1, "ü"]', '{"className": "A"}']


# -- JSON lines and Parquet ----------------------------------------------------------------------------------


def test_json_lines_hold_one_object_a_row(tmp_path: Path) -> None:
    path = Results(RUNS).to_jsonl(tmp_path / "a.jsonl")

    assert [json.loads(line) for line in path.read_text().splitlines()] == [
        {"run": 2, "accuracy": 0.9, "trees": 100, "kind": "a", "seconds": 1.0},
        {"run": 1, "accuracy": 0.5, "trees": 20, "kind": "b", "extra": 1, "seconds": 3.0},
        {"run": 3, "accuracy": "NaN", "trees": 5, "kind": "c", "extra": None, "seconds": 2.0}]


def test_a_row_without_values_is_an_empty_object(tmp_path: Path) -> None:
    assert write_jsonl(table(MISSING), tmp_path / "a.jsonl").read_text() == "{}\n"


def test_parquet_keeps_types(tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    runs = [*RUNS, completed(4, 0.1, {"trees": 1, "kind": "=d", "extra": [1, 2]})]

    read = parquet.read_table(Results(runs).to_parquet(tmp_path / "a.parquet"))

    assert read.column_names == ["run", "accuracy", "trees", "kind", "extra", "seconds"]
    assert [str(kind) for kind in read.schema.types] == [
        "int64", "double", "int64", "string", "string", "double"]
    assert read["kind"].to_pylist() == ["a", "b", "=d", "c"]
    assert read["extra"].to_pylist() == [None, "1", "[1, 2]", None]
    assert read["seconds"].to_pylist() == [1.0, 3.0, None, 2.0]


def test_missing_pyarrow_names_the_install_command(tmp_path: Path) -> None:
    code = f"""
import sys
sys.modules["pyarrow"] = None
from hyperspace_core.errors import HyperspaceError
from hyperspace_core.results.results import Results
try:
    Results().to_parquet({str(tmp_path / "a.parquet")!r})
except HyperspaceError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == ("Parquet needs pyarrow, which is not installed; "
                           "pip install 'hyperspace-core[parquet]'\n")
    assert list(tmp_path.iterdir()) == []


# -- files ---------------------------------------------------------------------------------------------------


def test_a_failed_write_is_reported_and_keeps_the_old_file(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"nowhere/a\.csv: cannot be written: No such file or directory"):
        Results(RUNS).to_csv(tmp_path / "nowhere" / "a.csv")
    kept = tmp_path / "a.jsonl"
    kept.write_text("old")
    with pytest.raises(UnicodeEncodeError):
        write_jsonl(table("\ud800"), kept)

    assert kept.read_text() == "old" and list(tmp_path.iterdir()) == [kept]


def test_the_suffix_selects_the_format() -> None:
    assert checked_format(Path("a.CSV")) == ".csv"
    with pytest.raises(UsageError, match=r"a\.xls: expected a name that ends with \.csv, \.jsonl, \.parquet"):
        checked_format(Path("a.xls"))


# -- series --------------------------------------------------------------------------------------------------


def logged(run: int, names: Any) -> list[Point]:
    points = [Point(seq=0, name="loss", step=10, value=run + 0.5, at=0.0),
              Point(seq=1, name="rate", step=None, value=0.1, at=0.0),
              Point(seq=2, name="rate", step=None, value=0.2, at=0.0)]
    return [point for point in points if names is None or point.name in names]


def test_series_of_many_runs_are_one_long_table() -> None:
    results = Results(RUNS[:2], read=logged)

    assert [(point.run, point.name, point.step, point.value) for point in results.metrics("rate")] == [
        (2, "rate", 0, 0.1), (2, "rate", 1, 0.2), (1, "rate", 0, 0.1), (1, "rate", 1, 0.2)]
    assert len(results.metrics()) == 6 and results[:1].metrics(["loss"])[0].value == 2.5
    assert repr(results.metrics("loss")).splitlines()[0].split() == ["run", "name", "step", "value"]


def test_series_convert_to_a_frame() -> None:
    pytest.importorskip("pandas")
    frame = Results(RUNS[:2], read=logged).metrics().to_frame()

    assert list(frame.columns) == ["run", "name", "step", "value"] and len(frame) == 6
    assert frame.groupby("run")["value"].sum().to_dict() == {1: pytest.approx(1.8), 2: pytest.approx(2.8)}


def test_an_unknown_series_suggests_the_nearest() -> None:
    with pytest.raises(NotFound, match="no run has logged a series 'los'; did you mean 'loss'"):
        Results(RUNS, read=logged).metrics("los")
