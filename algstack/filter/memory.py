"""Bytes at an address, for kernels that read texts where they lie."""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import carray, njit, types
from numba.extending import intrinsic

from algstack.texts import Bytes


@intrinsic  # type: ignore[untyped-decorator]
def _bytes_pointer(typing: Any, address: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.inttoptr(arguments[0], ir.IntType(8).as_pointer())

    return types.CPointer(types.uint8)(types.uint64), generate


@intrinsic  # type: ignore[untyped-decorator]
def _words_pointer(typing: Any, address: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.inttoptr(arguments[0], ir.IntType(64).as_pointer())

    return types.CPointer(types.uint64)(types.uint64), generate


@njit(cache=True, nogil=True, inline="always")
def bytes_at(address: int, length: int) -> Bytes:
    """The bytes at an address; whoever owns them must outlive their use."""
    return carray(_bytes_pointer(address), (length,))  # type: ignore[no-any-return]


@njit(cache=True, nogil=True, inline="always")
def words_at(address: int, length: int) -> Any:
    """The words of eight bytes at an address that is a multiple of eight."""
    return carray(_words_pointer(address), (length,))
