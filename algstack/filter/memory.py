"""Bytes at an address, for kernels that read texts where they lie."""

from __future__ import annotations

from typing import Any

import numba
from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic

from algstack.texts import Bytes

_carray: Any = numba.carray  # type: ignore[attr-defined]
_pointer_to: Any = types.CPointer


def _as_bytes(typing: Any, address: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.inttoptr(arguments[0], ir.IntType(8).as_pointer())

    return _pointer_to(types.uint8)(types.uint64), generate


def _as_words(typing: Any, address: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.inttoptr(arguments[0], ir.IntType(64).as_pointer())

    return _pointer_to(types.uint64)(types.uint64), generate


_bytes_pointer: Any = intrinsic(_as_bytes)
_words_pointer: Any = intrinsic(_as_words)


@njit(cache=True, nogil=True)
def bytes_at(address: Any, length: Any) -> Bytes:
    """The bytes at an address; whoever owns them must outlive their use."""
    data: Bytes = _carray(_bytes_pointer(address), (length,))
    return data


@njit(cache=True, nogil=True)
def words_at(address: Any, length: Any) -> Any:
    """The words of eight bytes at an address that is a multiple of eight."""
    return _carray(_words_pointer(address), (length,))
