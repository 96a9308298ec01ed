"""Fingerprints of data, to see whether two runs used the same data."""

from __future__ import annotations

import array
import dataclasses
import hashlib
import itertools
import os
import stat
import struct
import sys
from collections.abc import Mapping, Set
from enum import Enum
from pathlib import Path, PurePath
from typing import Any

from hyperspace_core.markers import hookimpl
from hyperspace_core.run import Absent

# -- Parts of tables, arrays and images of libraries that are not imported --

Parts = tuple[str, list[Any], bool]    # tag, items, whether their order matters


def _numpy(value: Any) -> Parts | None:
    if not hasattr(value, "dtype") or not hasattr(value, "tobytes"):
        return None
    if value.dtype.hasobject:
        return f"objects {value.shape}", value.ravel().tolist(), True
    # in C order and little-endian, independent of the memory layout
    dtype = value.dtype.newbyteorder("<")
    flat = value.astype(dtype, order="C", copy=False)
    return f"array {dtype.str} {value.shape}", [_memory(flat)], True


def _memory(array: Any) -> Any:
    """The bytes of an array in C order, without a copy where possible."""
    if array.ndim and array.size:
        try:
            return memoryview(array).cast("B")
        except (TypeError, ValueError, BufferError):           # dates, half floats, structures
            pass
    return array.tobytes()


def _pandas(value: Any) -> Parts | None:
    if hasattr(value, "columns") and hasattr(value, "items"):
        return "frame", [value.index, *value.items()], True
    if hasattr(value, "to_numpy") and hasattr(value, "name"):
        index = [value.index] if hasattr(value, "index") and not callable(value.index) else []
        return f"column {value.dtype}", [str(value.name), *index, value.to_numpy()], True
    return None


def _torch(value: Any) -> Parts | None:
    if not hasattr(value, "detach") or getattr(value, "device", None) is None or value.device.type != "cpu":
        return None
    try:
        return "tensor", [value.detach().numpy()], True
    except (TypeError, RuntimeError):              # bfloat16, sparse
        return None


def _scipy(value: Any) -> Parts | None:
    names = [name for name in ("data", "indices", "indptr", "row", "col", "offsets") if hasattr(value, name)]
    if not hasattr(value, "nnz") or not names:
        return None
    return f"sparse {value.format} {value.shape}", [(name, getattr(value, name)) for name in names], True


def _polars(value: Any) -> Parts | None:
    if hasattr(value, "get_columns"):
        return f"polars {value.shape}", [(one.name, one) for one in value.get_columns()], True
    if not hasattr(value, "is_null") or not hasattr(value, "dtype") or not hasattr(value, "to_list"):
        return None                                # a lazy frame: reading it would execute its plan
    if value.dtype.is_numeric():
        return f"series {value.dtype}", [value.is_null().to_numpy(), value.fill_null(0).to_numpy()], True
    return f"series {value.dtype}", [value.cast(str).to_list() if value.dtype.is_temporal()
                                     else value.to_list()], True


def _pillow(value: Any) -> Parts | None:
    if not hasattr(value, "tobytes") or not hasattr(value, "mode"):
        return None
    palette = value.getpalette() if value.mode == "P" else None
    return f"image {value.mode} {value.size}", [palette, value.tobytes()], True


def _array(value: Any) -> Parts | None:
    """The parts of an object that exposes its memory like a numpy array."""
    numpy = sys.modules.get("numpy")
    return None if numpy is None else _numpy(numpy.asarray(value))


_LIBRARIES = {"numpy": _numpy, "pandas": _pandas, "torch": _torch, "scipy": _scipy, "polars": _polars,
              "PIL": _pillow}


LIMIT_BYTES = 512 << 20        # beyond this, blocks are sampled and the fingerprint is "partial:…"
MAX_ITEMS = 200_000            # in all containers together
MAX_DEPTH = 64
_BLOCK = 1 << 16
_BLOCKS = 1024


@hookimpl(trylast=True)
def hyperspace_fingerprint(data: Any) -> str:
    return fingerprint(data)


def fingerprint(data: Any) -> str:
    """`"sha256:…"` of values, arrays, tables, images, files and containers.

    `"partial:sha256:…"` where the data contains other objects, of which only the type counts, or is larger
    than `LIMIT_BYTES`. The order of a set or dict does not matter. A `Path` counts by the content of the
    file, or by the names and contents below the folder, not by its location. Iterators are not consumed.
    """
    reader = _Reader()
    digest = reader.digest(data)
    return f"{'partial:' if reader.partial else ''}sha256:{digest.hex()}"


class _Reader:
    def __init__(self) -> None:
        self.partial = False
        self._bytes_left = LIMIT_BYTES
        self._items_left = MAX_ITEMS
        self._above: set[Any] = set()              # containers being read, to stop at a cycle

    def digest(self, value: Any) -> bytes:
        hasher = hashlib.sha256()
        self._feed(hasher, value)
        return hasher.digest()

    def _feed(self, hasher: Any, value: Any) -> None:
        if isinstance(value, Path):
            self._path(hasher, value)
            return
        plain = _plain(value)
        if plain is not None:
            self._bytes(hasher, *plain)
            return
        parts = _parts(value)
        if parts is None or id(value) in self._above or len(self._above) >= MAX_DEPTH:
            self.partial = True
            self._bytes(hasher, "type", _type_name(value).encode())
            return
        self._above.add(id(value))
        self._container(hasher, *parts)
        self._above.discard(id(value))

    def _container(self, hasher: Any, tag: str, items: list[Any], ordered: bool) -> None:
        self._bytes(hasher, tag, str(len(items)).encode())
        if len(items) > self._items_left:
            self.partial = True
            items = items[: self._items_left]
        self._items_left -= len(items)
        if ordered:
            for item in items:
                self._feed(hasher, item)
        else:
            for digest in sorted(map(self.digest, items)):
                hasher.update(digest)

    def _bytes(self, hasher: Any, tag: str, content: Any) -> None:
        """Feed tag and length first: `["ab", "c"]` differs from `["a", "bc"]`."""
        view = memoryview(content)
        hasher.update(f"{tag}:{view.nbytes};".encode())
        if view.nbytes <= self._bytes_left:
            self._bytes_left -= view.nbytes
            hasher.update(view)
            return
        self.partial = True
        flat = view.cast("B")
        for start in _sampled(flat.nbytes):
            hasher.update(flat[start:start + _BLOCK])

    # -- files -----------------------------------------------------------------------------------------------

    def _path(self, hasher: Any, path: Path) -> None:
        try:
            status = path.stat()
            if stat.S_ISREG(status.st_mode):
                self._file(hasher, path, status.st_size)
            elif stat.S_ISDIR(status.st_mode):
                self._folder(hasher, path, (status.st_dev, status.st_ino))
            else:                                  # reading a pipe would block
                self._unread(hasher, "special file")
        except FileNotFoundError:
            self._bytes(hasher, "missing", str(path).encode("utf-8", "surrogateescape"))
        except OSError as error:
            self._unread(hasher, type(error).__name__)

    def _file(self, hasher: Any, path: Path, size: int) -> None:
        """Read a file block by block, as it may be larger than the memory."""
        with path.open("rb") as file:
            hasher.update(f"file:{size};".encode())
            if size <= self._bytes_left:
                self._bytes_left -= size
                while block := file.read(_BLOCK):
                    hasher.update(block)
                return
            self.partial = True
            for start in _sampled(size):
                file.seek(start)
                hasher.update(file.read(_BLOCK))

    def _folder(self, hasher: Any, path: Path, key: tuple[int, int]) -> None:
        if key in self._above or len(self._above) >= MAX_DEPTH:
            self._unread(hasher, "folder")         # a link to a folder above it
            return
        with os.scandir(path) as entries:
            names = [entry.name for entry in itertools.islice(entries, self._items_left + 1)]
        if len(names) > self._items_left:          # a selection of the files would be arbitrary
            self._unread(hasher, f"more than {MAX_ITEMS} files")
            return
        self._items_left -= len(names)
        self._bytes(hasher, "folder", str(len(names)).encode())
        self._above.add(key)
        for name in sorted(names):
            self._bytes(hasher, "name", name.encode("utf-8", "surrogateescape"))
            self._path(hasher, path / name)
        self._above.discard(key)

    def _unread(self, hasher: Any, what: str) -> None:
        self.partial = True
        self._bytes(hasher, "unread", what.encode())


def _sampled(size: int) -> list[int]:
    """The starts of the blocks that are sampled of large content."""
    last = max(0, size - _BLOCK)
    return sorted({index * last // (_BLOCKS - 1) for index in range(_BLOCKS)})


def _plain(value: Any) -> tuple[str, Any] | None:  # noqa: PLR0911 - one line a type
    """Tag and content of a simple value; None for other values."""
    if value is None or isinstance(value, bool):
        return "constant", repr(value).encode()
    if isinstance(value, Enum):
        return "enum", f"{_type_name(value)}.{value.name}".encode()
    if isinstance(value, str):
        return "text", value.encode("utf-8", "surrogatepass")
    if isinstance(value, int):
        return "int", str(int(value)).encode() if value.bit_length() < 1 << 12 else hex(value).encode()
    if isinstance(value, float):
        return "float", struct.pack("<d", value)
    if isinstance(value, complex):
        return "complex", struct.pack("<dd", value.real, value.imag)
    if isinstance(value, bytes | bytearray | memoryview):
        return "bytes", value
    if isinstance(value, PurePath):
        return "path", str(value).encode("utf-8", "surrogateescape")
    return None


def _parts(value: Any) -> Parts | None:  # noqa: PLR0911 - one line a type
    """Tag and items of a container, and whether their order matters."""
    if isinstance(value, list | tuple):
        return "items", list(value), True
    if isinstance(value, Mapping):
        return "mapping", [(key, item) for key, item in value.items()], False
    if isinstance(value, Set):
        return "set", list(value), False
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = [(field.name, getattr(value, field.name, None)) for field in dataclasses.fields(value)]
        return f"dataclass {_type_name(value)}", fields, True
    if isinstance(value, array.array):
        return f"array {value.typecode}", [memoryview(value).cast("B")], True
    reader = _LIBRARIES.get(type(value).__module__.partition(".")[0])
    if reader is not None:
        return reader(value)
    return _array(value) if hasattr(type(value), "__array_interface__") else None


def _type_name(value: Any) -> str:
    return f"{type(value).__module__}.{type(value).__qualname__}"


# -- The section `data` until `run.stages.load_data` sets the fingerprint --

@hookimpl
def hyperspace_capture() -> Absent:
    """Record why there is no fingerprint, for runs that load data in another way."""
    return Absent("data", "nothing was loaded by run.stages.load_data")
