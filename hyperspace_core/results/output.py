"""Write tables as CSV (safe for spreadsheets), JSON lines or Parquet.

Files are written atomically: to a temporary file that is renamed at the end.
"""

from __future__ import annotations

import csv
import json
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from hyperspace_core.config.tree import MISSING
from hyperspace_core.errors import HyperspaceError, UsageError, did_you_mean
from hyperspace_core.results.plain import plain
from hyperspace_core.results.table import Table

# a cell that begins with one of these is a formula to some spreadsheet; the last four are full-width
_FORMULAS = ("=", "+", "-", "@", "\t", "\r", "\n", "\0", "＝", "＋", "－", "＠")


def write_csv(table: Table, path: str | Path, *, raw: bool = False) -> Path:
    """Write CSV (RFC 4180); formula text gets a leading `'` unless `raw`.

    Numbers stay numbers. A missing value is an empty cell; lists and dicts are JSON.
    """
    with _written(path) as file:
        writer = csv.writer(file)
        writer.writerow([_text(name, raw) for name in table.names])
        for row in _rows(table):
            writer.writerow([_csv_cell(value, raw) for value in row])
    return Path(path)


def write_jsonl(table: Table, path: str | Path) -> Path:
    """Write JSON lines without missing values; NaN and infinities become texts."""
    with _written(path) as file:
        for row in _rows(table):
            cells = {name: plain(value) for name, value in zip(table.names, row, strict=True)
                     if value is not MISSING}
            file.write(json.dumps(cells, ensure_ascii=False) + "\n")
    return Path(path)


def write_parquet(table: Table, path: str | Path) -> Path:
    """Write Parquet; mixed types become JSON. Raises `HyperspaceError`."""
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        raise HyperspaceError("Parquet needs pyarrow, which is not installed; "
                              "pip install 'hyperspace-core[parquet]'") from error
    columns = {column.name: _arrow(pyarrow, column.shown) for column in table.columns}
    with _written(path, "wb") as file:
        pyarrow.parquet.write_table(pyarrow.table(columns), file)
    return Path(path)


FORMATS: dict[str, Callable[[Table, Path, bool], Path]] = {
    ".csv": lambda table, path, raw: write_csv(table, path, raw=raw),
    ".jsonl": lambda table, path, _: write_jsonl(table, path),
    ".parquet": lambda table, path, _: write_parquet(table, path),
}


def write(table: Table, path: Path, *, raw: bool = False) -> Path:
    """Write in the format given by the file's suffix. See `checked_format`."""
    return FORMATS[checked_format(path)](table, path, raw)


def checked_format(path: Path) -> str:
    """Return the file's suffix. Raises `UsageError` for an unknown format."""
    ending = path.suffix.lower()
    if ending not in FORMATS:
        raise UsageError(f"{path}: expected a name that ends with {', '.join(FORMATS)}, "
                         f"got {ending or 'none'!r}{did_you_mean(ending, FORMATS)}")
    return ending


@contextmanager
def _written(path: str | Path, mode: str = "w") -> Iterator[IO[Any]]:
    """Open a temporary file that replaces the target at the end. Raises `UsageError`."""
    target = Path(path)
    text: dict[str, Any] = {} if "b" in mode else {"encoding": "utf-8", "newline": ""}
    try:
        number, part = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
        try:
            with os.fdopen(number, mode, **text) as file:
                yield file
            Path(part).chmod(0o666 & ~_umask())
            Path(part).replace(target)
        finally:
            Path(part).unlink(missing_ok=True)
    except OSError as error:
        raise UsageError(f"{target}: cannot be written: {error.strerror}") from error


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _rows(table: Table) -> Iterator[tuple[Any, ...]]:
    return zip(*(column.values for column in table.columns), strict=True)


def _csv_cell(value: Any, raw: bool) -> str:
    if value is MISSING:
        return ""
    if isinstance(value, str):
        return _text(value, raw)
    if isinstance(value, bool) or value is None:
        return json.dumps(value)
    return repr(value) if isinstance(value, int | float) else _json(value)


def _text(text: str, raw: bool) -> str:
    return f"'{text}" if text.startswith(_FORMULAS) and not raw else text


def _json(value: Any) -> str:
    return json.dumps(plain(value), ensure_ascii=False)


def _arrow(pyarrow: Any, values: tuple[Any, ...]) -> Any:
    kinds = {type(value) for value in values if value is not None}
    if kinds <= {int, float}:
        kind = pyarrow.int64() if kinds == {int} else pyarrow.float64()
        return pyarrow.array(list(values), type=kind)
    if len(kinds) == 1 and kinds <= {bool, str}:
        return pyarrow.array(list(values))
    return pyarrow.array([None if value is None else _json(value) for value in values])
