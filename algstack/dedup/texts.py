"""Texts as the kernels take them: the bytes and bounds of an Arrow array, without a copy."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from algstack.errors import DatasetError

# numba compiles a kernel anew for arrays that may be written, and for those that may not: the bytes of all texts may not,
# their bounds may.
_NO_BYTES = np.frombuffer(b"\0", np.uint8)

_KINDS = (pa.string(), pa.large_string(), pa.binary(), pa.large_binary())


class Texts(NamedTuple):
    """Text i is `data[offsets[i]:offsets[i + 1]]`, and it is a text where `valid[i]`."""

    data: NDArray[np.uint8]
    offsets: NDArray[np.int64]
    valid: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.offsets) - 1


def as_texts(array: pa.Array) -> Texts:
    """Return an array of strings or bytes as the kernels take it; slices and nulls are respected.

    Bytes need not be valid UTF-8.

    Raises:
        DatasetError: the array holds something else.
    """
    if array.type not in _KINDS:
        array = _plain(array)
    wide = array.type in (pa.large_string(), pa.large_binary())
    _, offsets, data = array.buffers()
    if not len(array) or offsets is None:
        return Texts(_NO_BYTES, np.zeros(len(array) + 1, np.int64), np.zeros(len(array), np.bool_))
    bounds = np.frombuffer(offsets, np.int64 if wide else np.int32)[array.offset : array.offset + len(array) + 1]
    content = np.frombuffer(data, np.uint8) if data is not None and data.size else _NO_BYTES
    valid = np.ones(len(array), np.bool_) if not array.null_count else array.is_valid().to_numpy(zero_copy_only=False)
    return Texts(content, bounds.astype(np.int64), valid)


def _plain(array: pa.Array) -> pa.Array:
    """Turn dictionaries and string views into plain strings."""
    kind = array.type.value_type if pa.types.is_dictionary(array.type) else array.type
    is_bytes = kind in _KINDS[2:] or kind == pa.binary_view()
    if not (is_bytes or kind in (*_KINDS[:2], pa.string_view()) or pa.types.is_null(kind)):
        raise DatasetError(f"Texts must be strings or bytes, not {array.type}. Name another column with --text-column.")
    return array.cast(pa.large_binary() if is_bytes else pa.large_string())
