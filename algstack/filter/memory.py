"""Bytes at an address, for kernels that read texts where they lie."""

from __future__ import annotations

from typing import Any

import numba
from numba import njit, types

from algstack.texts import Bytes
from algstack.vector import operation

_carray: Any = numba.carray  # type: ignore[attr-defined]
_pointer_to: Any = types.CPointer


def _pointer(kind: Any) -> Any:
    """Make the operation that takes an address for that of numbers of one kind."""

    def pointer(typing: Any, address: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            return builder.inttoptr(arguments[0], context.get_value_type(signature.return_type))

        return _pointer_to(kind)(types.uint64), generate

    return operation(pointer)


_bytes_pointer, _words_pointer = _pointer(types.uint8), _pointer(types.uint64)


@njit(cache=True, nogil=True)
def bytes_at(address: Any, length: Any) -> Bytes:
    """The bytes at an address; whoever owns them must outlive their use."""
    data: Bytes = _carray(_bytes_pointer(address), (length,))
    return data


@njit(cache=True, nogil=True)
def words_at(address: Any, length: Any) -> Any:
    """The words of eight bytes at an address that is a multiple of eight."""
    return _carray(_words_pointer(address), (length,))
