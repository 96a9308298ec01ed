"""Parts of tables, arrays and images of libraries that are not imported."""

from __future__ import annotations

import sys
from typing import Any

Parts = tuple[str, list[Any], bool]    # tag, items, whether their order matters


def parts_of(value: Any) -> Parts | None:
    """The parts of an object to read instead of it; None for an unknown type."""
    reader = _LIBRARIES.get(type(value).__module__.partition(".")[0])
    if reader is not None:
        return reader(value)
    return _array(value) if hasattr(type(value), "__array_interface__") else None


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
