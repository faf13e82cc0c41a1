"""Bytes at an address, for kernels that read texts where they lie."""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.np import arrayobj

from algstack.vector import operation

_ARRAY = types.Array(types.uint8, 1, "C")
_populate: Any = arrayobj.populate_array  # has no types


@operation
def bytes_at(typing_context: Any, address: Any, length: Any) -> Any:
    """Return the bytes at an address as an array; whoever owns them must outlive its use."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        array = context.make_array(_ARRAY)(context, builder)
        data = builder.inttoptr(arguments[0], ir.IntType(8).as_pointer())
        one = context.get_constant(types.intp, 1)
        _populate(array, data=data, shape=[arguments[1]], strides=[one], itemsize=one, meminfo=None)
        return array._getvalue()

    return _ARRAY(types.uint64, types.int64), generate
