"""Names data by their content, so that two runs can be seen to have used the same."""

from __future__ import annotations

import dataclasses
import hashlib
import struct
from collections.abc import Mapping, Set
from enum import Enum
from pathlib import PurePath
from typing import Any

from hyperspace_core.markers import hookimpl

LIMIT_BYTES = 512 << 20        # beyond that, blocks are sampled and the name says so
MAX_ITEMS = 200_000            # in all containers together
MAX_DEPTH = 64
_BLOCK = 1 << 16
_BLOCKS = 1024


@hookimpl(trylast=True)
def hyperspace_fingerprint(data: Any) -> str:
    return fingerprint(data)


def fingerprint(data: Any) -> str:
    """`"sha256:…"` of bytes, text, numbers, arrays, tables and containers of them.

    `"partial:sha256:…"` where something else was met, of which only the type counts, or where the data are
    larger than is worth reading whole. A set or dict is named by what it holds, in whatever order.
    """
    reader = _Reader()
    digest = reader.digest(data)
    return f"{'partial:' if reader.partial else ''}sha256:{digest.hex()}"


class _Reader:
    def __init__(self) -> None:
        self.partial = False
        self._bytes_left = LIMIT_BYTES
        self._items_left = MAX_ITEMS
        self._above: set[int] = set()              # containers that are being read: a cycle ends there

    def digest(self, value: Any) -> bytes:
        hasher = hashlib.sha256()
        self._feed(hasher, value)
        return hasher.digest()

    def _feed(self, hasher: Any, value: Any) -> None:
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
        """A tag and a length first: `["ab", "c"]` is not `["a", "bc"]`."""
        view = memoryview(content)
        hasher.update(f"{tag}:{view.nbytes};".encode())
        if view.nbytes <= self._bytes_left:
            self._bytes_left -= view.nbytes
            hasher.update(view)
            return
        self.partial = True
        flat = view.cast("B")
        for index in range(_BLOCKS):
            start = index * (flat.nbytes - _BLOCK) // (_BLOCKS - 1)
            hasher.update(flat[start:start + _BLOCK])


def _plain(value: Any) -> tuple[str, Any] | None:  # noqa: PLR0911 - one line a type
    """Tag and content of what has no parts; None for anything else."""
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


def _parts(value: Any) -> tuple[str, list[Any], bool] | None:
    """Tag and items of a container, and whether their order counts."""
    if isinstance(value, list | tuple):
        return "items", list(value), True
    if isinstance(value, Mapping):
        return "mapping", [(key, item) for key, item in value.items()], False
    if isinstance(value, Set):
        return "set", list(value), False
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = [(field.name, getattr(value, field.name, None)) for field in dataclasses.fields(value)]
        return f"dataclass {_type_name(value)}", fields, True
    package = type(value).__module__.partition(".")[0]
    reader = _LIBRARIES.get(package)
    return None if reader is None else reader(value)


def _numpy(value: Any) -> tuple[str, list[Any], bool] | None:
    if not hasattr(value, "dtype") or not hasattr(value, "tobytes"):
        return None
    if value.dtype.hasobject:
        return f"objects {value.shape}", value.ravel().tolist(), True
    # in C order and little-endian, whatever the memory looks like
    dtype = value.dtype.newbyteorder("<")
    flat = value.astype(dtype, order="C", copy=False)
    return f"array {dtype.str} {value.shape}", [_memory(flat)], True


def _memory(array: Any) -> Any:
    """The bytes of an array in C order, without a copy where numpy offers one as a plain buffer."""
    if array.ndim and array.size:
        try:
            return memoryview(array).cast("B")
        except (TypeError, ValueError, BufferError):           # dates, half floats, structures
            pass
    return array.tobytes()


def _pandas(value: Any) -> tuple[str, list[Any], bool] | None:
    if hasattr(value, "columns") and hasattr(value, "items"):
        return "frame", [value.index, *value.items()], True
    if hasattr(value, "to_numpy") and hasattr(value, "name"):
        index = [value.index] if hasattr(value, "index") and not callable(value.index) else []
        return f"column {value.dtype}", [str(value.name), *index, value.to_numpy()], True
    return None


def _torch(value: Any) -> tuple[str, list[Any], bool] | None:
    if not hasattr(value, "detach") or getattr(value, "device", None) is None or value.device.type != "cpu":
        return None
    try:
        return "tensor", [value.detach().numpy()], True
    except (TypeError, RuntimeError):              # bfloat16, sparse
        return None


def _scipy(value: Any) -> tuple[str, list[Any], bool] | None:
    names = [name for name in ("data", "indices", "indptr", "row", "col", "offsets") if hasattr(value, name)]
    if not hasattr(value, "nnz") or not names:
        return None
    return f"sparse {value.format} {value.shape}", [(name, getattr(value, name)) for name in names], True


_LIBRARIES = {"numpy": _numpy, "pandas": _pandas, "torch": _torch, "scipy": _scipy}


def _type_name(value: Any) -> str:
    return f"{type(value).__module__}.{type(value).__qualname__}"
