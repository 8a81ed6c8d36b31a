"""Rows of floats out of the library's memory: numpy arrays where numpy is there, else array.array."""
from __future__ import annotations

import array
import ctypes as c
from typing import Any, List, Sequence

try:
    import numpy
except ImportError:  # everything works without, more slowly
    numpy = None  # type: ignore[assignment]


def copy_row(pointer: Any, n: int) -> Any:
    """n floats as a new array [n]."""
    raw = c.string_at(pointer, 4 * n)
    if numpy is not None:
        return numpy.frombuffer(raw, numpy.float32)
    out = array.array("f")
    out.frombytes(raw)
    return out


def stack(rows: List[Any]) -> Any:
    """Rows [n] as one array [rows, n], or as the list that they are in."""
    return numpy.stack(rows) if numpy is not None and rows else rows


def unit(row: Any) -> Any:
    """The row with length 1; zeros stay."""
    if numpy is not None:
        length = float(numpy.sqrt(numpy.sum(row.astype(numpy.float64) ** 2)))
        return (row / length).astype(numpy.float32) if length else row
    length = sum(x * x for x in row) ** 0.5
    return array.array("f", (x / length for x in row)) if length else row


def ids_array(ids: Sequence[int]) -> Any:
    """Token ids for a call."""
    return (c.c_int32 * max(len(ids), 1))(*ids)
