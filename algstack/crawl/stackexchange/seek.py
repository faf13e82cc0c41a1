"""Finding a byte, 32 at a time, and copying bytes: what compiled code here does most.

Written for no processor in particular: LLVM makes AVX2, SSE or NEON of it, with the same results.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from llvmlite import ir
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic

Bytes = npt.NDArray[np.uint8]
Numbers = npt.NDArray[np.int64]

_njit: Any = njit  # its types do not know all of its options


def operation(generate: Callable[..., Any]) -> Any:
    """Make a function that compiled code can call of one that generates LLVM code for it."""
    return intrinsic(generate)


Function = TypeVar("Function", bound=Callable[..., Any])

WIDTH = 32
"""Bytes that are looked at together: so many must be readable behind the end of what `seek` is given."""

_I64 = ir.IntType(64)
_BLOCK = ir.VectorType(ir.IntType(8), WIDTH)


def compiled(function: Function) -> Function:
    """Compile a function at its first call, for this kind of processor; the code is kept on disk."""
    return cast(Function, _njit(cache=True, nogil=True, error_model="numpy", _nrt=False)(function))


def inner(function: Function) -> Function:
    """Compile a function that only compiled code calls: what calls it from Python is half of the compiler's work."""
    wrappers = {"no_cpython_wrapper": True, "no_cfunc_wrapper": True}
    return cast(Function, _njit(nogil=True, error_model="numpy", _nrt=False, **wrappers)(function))


def part(function: Function) -> Function:
    """Compile a function into its one caller, which takes less time than to compile both."""
    return cast(Function, _njit(inline="always", nogil=True, error_model="numpy", _nrt=False)(function))


def room_for(size: int) -> Bytes:
    """Return an array that Arrow's pool holds, which gives memory back, as the C library's often does not."""
    return np.frombuffer(pa.allocate_buffer(size), np.uint8)


def array_of(data: bytes | pa.Buffer) -> Bytes:
    """Return bytes as an array, without copying them; `seek` may be given all but the last WIDTH."""
    array = np.frombuffer(data, np.uint8)
    array.flags.writeable = False  # compiled code is made for one kind of source
    return array


def padded(content: bytes) -> Bytes:
    """Return bytes as an array of which all but the last WIDTH may be given to `seek`."""
    return array_of(content + bytes(WIDTH))


@inner
def seek(data: Any, at: Any, end: Any, first: Any, second: Any) -> Any:
    """Return where the next byte that is one of two stands, from `at` on; `end` if there is none."""
    while at < end:
        found = _either(data, at, np.uint8(first), np.uint8(second))
        if found:
            at += _trailing_zeros(found)
            return at if at < end else end
        at += WIDTH
    return end


@operation
def _either(typing_context: Any, data: Any, at: Any, first: Any, second: Any) -> Any:
    """Return 32 bits: bit i says whether `data[at + i]` is one of two bytes."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        array = context.make_array(signature.args[0])(context, builder, arguments[0])
        address = builder.gep(array.data, [arguments[1]])
        block = builder.load(builder.bitcast(address, _BLOCK.as_pointer()))
        block.align = 1
        same = [builder.icmp_unsigned("==", block, _repeated(builder, byte)) for byte in arguments[2:]]
        return builder.zext(builder.bitcast(builder.or_(*same), ir.IntType(WIDTH)), _I64)

    return types.int64(data, types.int64, types.uint8, types.uint8), generate


def _repeated(builder: Any, byte: Any) -> Any:
    one = builder.insert_element(ir.Constant(_BLOCK, ir.Undefined), byte, ir.Constant(ir.IntType(32), 0))
    lanes = ir.Constant(ir.VectorType(ir.IntType(32), WIDTH), [0] * WIDTH)
    return builder.shuffle_vector(one, ir.Constant(_BLOCK, ir.Undefined), lanes)


@operation
def _trailing_zeros(typing_context: Any, bits: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.cttz(arguments[0], ir.Constant(ir.IntType(1), 1))

    return types.int64(types.int64), generate


@operation
def copy(typing_context: Any, source: Any, begin: Any, count: Any, target: Any, at: Any) -> Any:
    """Copy `source[begin:begin + count]` to `target[at:]` by the machine's own routine: a loop would be long code."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        source, begin, count, target, at = arguments
        from_, to = (
            builder.gep(context.make_array(type_)(context, builder, array).data, [place])
            for type_, array, place in ((signature.args[0], source, begin), (signature.args[3], target, at))
        )
        cast(Any, cgutils).raw_memcpy(builder, to, from_, count, 1)
        return context.get_dummy_value()

    return types.void(source, types.int64, types.int64, target, types.int64), generate
