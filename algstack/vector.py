"""The few machine operations that Python cannot say, for numba kernels: each is a line or two of LLVM.

They are written for no processor in particular: LLVM makes AVX-512, AVX2, SSE or NEON of them, and the results are the
same.
Arrays are one-dimensional and contiguous; nothing here checks bounds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import reduce
from typing import Any, TypeVar, cast

import numba
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic
from numba.np import arrayobj

LANES = 64
"""Bytes that `word_mask` looks at."""

_I64 = ir.IntType(64)
_I128 = ir.IntType(128)
_BYTES = ir.VectorType(ir.IntType(8), LANES)

njit: Any = numba.njit
"""Its types know only a part of its options."""

alloca: Any = cgutils.alloca_once_value  # has no types
memcpy: Any = cgutils.raw_memcpy
memset: Any = cgutils.memset
populate_array: Any = arrayobj.populate_array

Function = TypeVar("Function", bound=Callable[..., Any])

_OPTIONS: dict[str, Any] = {"nogil": True, "error_model": "numpy", "_nrt": False}
"""Without numba's counting of references, which costs two locked additions for every call of a step, so several for
every token. Kernels therefore make no arrays: all are given to them."""


def kernel(function: Function) -> Function:
    """Compile a function that other threads can run beside: once for each kind of processor, then cached on disk."""
    try:
        return cast(Function, njit(cache=True, **_OPTIONS)(function))
    except RuntimeError:  # neither this folder nor the user's cache may be written: compiled anew in each process
        return cast(Function, njit(**_OPTIONS)(function))


def inlined(function: Function) -> Function:
    """Compile a step that becomes part of its caller.

    No one calls it from Python, so there is no need of the code that unpacks Python's arguments, which takes longer to
    compile than most steps, nor of a copy of its own on disk.
    """
    return cast(Function, njit(forceinline=True, no_cpython_wrapper=True, no_cfunc_wrapper=True, **_OPTIONS)(function))


def spliced(function: Function) -> Function:
    """Compile a step that returns a piece of an array, which numba lets out of no other: callers get a copy of it."""
    return cast(Function, njit(inline="always", **_OPTIONS)(function))


@inlined
def copy(source: Any, begin: Any, count: Any, target: Any, at: Any) -> None:
    """Copy `source[begin:begin + count]` to `target[at:]`.

    numba compiles a slice's assignment for seconds, since it may have to say in words which shapes do not fit.
    """
    for i in range(count):
        target[at + i] = source[begin + i]


def operation(generate: Callable[..., Any]) -> Any:
    """Make a function that kernels can call of one that generates LLVM code for it."""
    return intrinsic(generate)


def _address(context: Any, builder: Any, array_type: Any, array: Any, index: Any) -> Any:
    return builder.gep(context.make_array(array_type)(context, builder, array).data, [index])


def _every_lane(byte: int) -> ir.Constant:
    return ir.Constant(_BYTES, [byte] * LANES)


def _alphanumeric(builder: Any, block: Any) -> Any:
    lower_case = builder.or_(block, _every_lane(0x20))
    # One unsigned comparison tests a range: what is below it wraps around to large numbers.
    letter = builder.icmp_unsigned("<", builder.sub(lower_case, _every_lane(ord("a"))), _every_lane(26))
    return builder.or_(letter, _digit(builder, block))


def _digit(builder: Any, block: Any) -> Any:
    return builder.icmp_unsigned("<", builder.sub(block, _every_lane(ord("0"))), _every_lane(10))


def _block(context: Any, builder: Any, array_type: Any, array: Any, index: Any) -> Any:
    """The 64 bytes from `array[index]` on."""
    address = _address(context, builder, array_type, array, index)
    block = builder.load(builder.bitcast(address, _BYTES.as_pointer()))
    block.align = 1
    return block


@operation
def word_mask(typing_context: Any, data: Any, at: Any) -> Any:
    """Return 64 bits: bit i says whether byte `data[at + i]` belongs to a token. Reads `data[at:at + 64]`."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        block = _block(context, builder, signature.args[0], *arguments)
        underscore = builder.icmp_unsigned("==", block, _every_lane(ord("_")))
        high = builder.icmp_unsigned(">=", block, _every_lane(0x80))
        return builder.bitcast(builder.or_(_alphanumeric(builder, block), builder.or_(underscore, high)), _I64)

    return types.uint64(data, types.int64), generate


@operation
def alphanumeric_mask(typing_context: Any, data: Any, at: Any) -> Any:
    """Return 64 bits: bit i says whether `data[at + i]` is an ASCII letter or digit. Reads `data[at:at + 64]`."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.bitcast(_alphanumeric(builder, _block(context, builder, signature.args[0], *arguments)), _I64)

    return types.uint64(data, types.int64), generate


@operation
def digit_mask(typing_context: Any, data: Any, at: Any) -> Any:
    """Return 64 bits: bit i says whether `data[at + i]` is an ASCII digit. Reads `data[at:at + 64]`."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.bitcast(_digit(builder, _block(context, builder, signature.args[0], *arguments)), _I64)

    return types.uint64(data, types.int64), generate


@operation
def escape_mask(typing_context: Any, data: Any, at: Any) -> Any:
    """Return 64 bits: bit i says whether `data[at + i]` is a backslash or no ASCII. Reads `data[at:at + 64]`."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        block = _block(context, builder, signature.args[0], *arguments)
        backslash = builder.icmp_unsigned("==", block, _every_lane(ord("\\")))
        high = builder.icmp_unsigned(">=", block, _every_lane(0x80))
        return builder.bitcast(builder.or_(backslash, high), _I64)

    return types.uint64(data, types.int64), generate


@operation
def equal_mask(typing_context: Any, data: Any, at: Any, byte: Any, ignored: Any) -> Any:
    """Return 64 bits: bit i says whether `data[at + i] | ignored` is `byte`. Reads `data[at:at + 64]`."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        block = _block(context, builder, signature.args[0], *arguments[:2])
        byte, ignored = (_in_every_lane(builder, argument) for argument in arguments[2:])
        return builder.bitcast(builder.icmp_unsigned("==", builder.or_(block, ignored), byte), _I64)

    return types.uint64(data, types.int64, types.uint8, types.uint8), generate


@operation
def range_mask(typing_context: Any, data: Any, at: Any, low: Any, count: Any) -> Any:
    """Return 64 bits: bit i says whether `data[at + i]` is one of the `count` bytes from `low` on.

    Reads `data[at:at + 64]`.
    """

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        block = _block(context, builder, signature.args[0], *arguments[:2])
        low, count = (_in_every_lane(builder, argument) for argument in arguments[2:])
        return builder.bitcast(builder.icmp_unsigned("<", builder.sub(block, low), count), _I64)

    return types.uint64(data, types.int64, types.uint8, types.uint8), generate


def byte_masks(
    context: Any, builder: Any, array_type: Any, arguments: Any, wanted: list[int], ignored: int
) -> dict[int, Any]:
    """Code, for an `operation`, of the masks of several bytes: bit i says whether `data[at + i] | ignored` is it.

    Args:
        context: numba's.
        builder: numba's.
        array_type: the type of `data`.
        arguments: `data` and `at`.
        wanted: the bytes.
        ignored: bits that are set before they are compared.
    """
    block = builder.or_(_block(context, builder, array_type, *arguments), _every_lane(ignored))
    return {byte: builder.bitcast(builder.icmp_unsigned("==", block, _every_lane(byte)), _I64) for byte in wanted}


def _in_every_lane(builder: Any, byte: Any) -> Any:
    return _spread(builder, byte, _BYTES)


def _spread(builder: Any, value: Any, lanes: ir.VectorType) -> Any:
    """Return a vector that holds a value in every lane."""
    one = builder.insert_element(ir.Constant(lanes, ir.Undefined), value, ir.Constant(ir.IntType(32), 0))
    return _shuffled(builder, one, [0] * lanes.count)


def _shuffled(builder: Any, value: Any, lanes: Iterable[int]) -> Any:
    """Return a vector of these lanes of another."""
    chosen = [ir.Constant(ir.IntType(32), lane) for lane in lanes]
    mask = ir.Constant(ir.VectorType(ir.IntType(32), len(chosen)), chosen)
    return builder.shuffle_vector(value, ir.Constant(value.type, ir.Undefined), mask)


@operation
def bytes_at(typing_context: Any, address: Any, length: Any) -> Any:
    """Return the bytes at an address as an array; whoever owns them must outlive its use."""
    array_type = types.Array(types.uint8, 1, "C")

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        array = context.make_array(array_type)(context, builder)
        data = builder.inttoptr(arguments[0], ir.IntType(8).as_pointer())
        one = context.get_constant(types.intp, 1)
        populate_array(array, data=data, shape=[arguments[1]], strides=[one], itemsize=one, meminfo=None)
        return array._getvalue()

    return array_type(types.uint64, types.int64), generate


@operation
def move(typing_context: Any, source: Any, begin: Any, count: Any, target: Any, at: Any) -> Any:
    """Copy many bytes, `source[begin:begin + count]`, to `target[at:]`; they do not overlap."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        whence = _address(context, builder, signature.args[0], *arguments[:2])
        whither = _address(context, builder, signature.args[3], *arguments[3:])
        memcpy(builder, whither, whence, arguments[2], 1)
        return context.get_dummy_value()

    return types.none(source, types.int64, types.int64, target, types.int64), generate


@operation
def fill(typing_context: Any, target: Any, at: Any, count: Any, byte: Any) -> Any:
    """Write `count` times a byte to `target[at:]`."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        memset(builder, _address(context, builder, signature.args[0], *arguments[:2]), *arguments[2:])
        return context.get_dummy_value()

    return types.none(target, types.int64, types.int64, types.uint8), generate


@operation
def load64(typing_context: Any, data: Any, at: Any) -> Any:
    """Return `data[at:at + 8]` as a little-endian number."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        address = _address(context, builder, signature.args[0], *arguments)
        value = builder.load(builder.bitcast(address, _I64.as_pointer()))
        value.align = 1
        return value

    return types.uint64(data, types.int64), generate


@operation
def trailing_zeros(typing_context: Any, value: Any) -> Any:
    """Return the position of the lowest bit that is set, 64 if there is none."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.cttz(arguments[0], ir.Constant(ir.IntType(1), 0))

    return types.int64(types.uint64), generate


@operation
def bit_count(typing_context: Any, value: Any) -> Any:
    """Return the number of bits that are set."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.ctpop(arguments[0])

    return types.int64(types.uint64), generate


@operation
def put_eight(typing_context: Any, target: Any, at: Any, bytes_: Any, begin: Any, summand: Any) -> Any:
    """Write the eight bytes from `bytes_[begin]` on, `summand` added to each, to `target[at:at + 8]`, int32."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        narrow, wide = ir.VectorType(ir.IntType(8), 8), ir.VectorType(ir.IntType(32), 8)
        source = _address(context, builder, signature.args[2], *arguments[2:4])
        value = builder.load(builder.bitcast(source, narrow.as_pointer()))
        value.align = 1
        added = _spread(builder, builder.trunc(arguments[4], ir.IntType(32)), wide)
        place = _address(context, builder, signature.args[0], *arguments[:2])
        written = builder.add(builder.zext(value, wide), added)
        builder.store(written, builder.bitcast(place, wide.as_pointer())).align = 4
        return context.get_dummy_value()

    return types.none(target, types.int64, bytes_, types.int64, types.int64), generate


@operation
def folded_product(typing_context: Any, one: Any, other: Any) -> Any:
    """Multiply two 64-bit numbers to 128 bits and XOR the halves of the product."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        wide = [builder.zext(argument, _I128) for argument in arguments]
        product = builder.mul(*wide)
        upper = builder.trunc(builder.lshr(product, ir.Constant(_I128, 64)), _I64)
        return builder.xor(builder.trunc(product, _I64), upper)

    return types.uint64(types.uint64, types.uint64), generate


def _lower(vectors: int, width: int = 16) -> Any:
    """Make the operation that lowers `width` times so many values of a signature, a vector for each `width` of them.

    A vector's 16 lanes are `width` permutations of `16 / width` shingles.
    """
    together = 16 // width
    few, shingles = ir.VectorType(ir.IntType(32), width), ir.VectorType(ir.IntType(32), together)

    def lower(
        typing_context: Any, mixed: Any, count: Any, factors: Any, summands: Any, signature: Any, first: Any
    ) -> Any:
        """Lower `signature[first + i]` to the least of `factors[first + i] * x + summands[first + i]`, modulo 2^32,
        over all x of `mixed[:count]`; `count` is a multiple of the shingles that are taken at once.

        Each x is spread over its lanes, so that shingles need not be compared with each other until the end.
        """

        def generate(context: Any, builder: Any, types_: Any, arguments: Any) -> Any:
            arrays, number = dict(zip("mcfsg", zip(types_.args, arguments, strict=True), strict=False)), arguments[5]

            def address(name: str, place: Any, kind: ir.VectorType) -> Any:
                return builder.bitcast(_address(context, builder, *arrays[name], place), kind.as_pointer())

            def place(vector: int) -> Any:
                return builder.add(number, ir.Constant(_I64, width * vector))

            def load(address: Any) -> Any:
                value = builder.load(address)
                value.align = 4
                return value

            def spread(name: str, vector: int) -> Any:
                value = load(address(name, place(vector), few))
                return _shuffled(builder, value, [lane % width for lane in range(16)])

            def lesser(one: Any, other: Any) -> Any:
                return builder.select(builder.icmp_unsigned("<", one, other), one, other)

            factor, summand, least = ([spread(name, v) for v in range(vectors)] for name in "fsg")
            slots = [alloca(builder, value) for value in least]
            with cgutils.for_range(builder, builder.udiv(arguments[1], ir.Constant(_I64, together))) as loop:
                begin = builder.mul(loop.index, ir.Constant(_I64, together))
                x = _shuffled(builder, load(address("m", begin, shingles)), [lane // width for lane in range(16)])
                for vector, slot in enumerate(slots):
                    value = builder.add(builder.mul(factor[vector], x), summand[vector])
                    builder.store(lesser(value, builder.load(slot)), slot)
            for vector, slot in enumerate(slots):
                value = builder.load(slot)
                of_each = [_shuffled(builder, value, range(i, i + width)) for i in range(0, 16, width)]
                builder.store(reduce(lesser, of_each), address("g", place(vector), few)).align = 4
            return context.get_dummy_value()

        return types.none(mixed, types.int64, factors, summands, signature, types.uint64), generate

    return operation(lower)


lower_64, lower_16, lower_4 = _lower(4), _lower(1), _lower(1, width=4)


@inlined
def find_byte(data: Any, at: Any, one: Any, two: Any, three: Any, four: Any) -> Any:
    """Return the first place from `at` on of any of four bytes; the end if there is none."""
    end = len(data)
    while at + LANES <= end:
        found = equal_mask(data, at, one, 0) | equal_mask(data, at, two, 0)
        found |= equal_mask(data, at, three, 0) | equal_mask(data, at, four, 0)
        if found:
            return at + trailing_zeros(found)
        at += LANES
    while at < end and data[at] != one and data[at] != two and data[at] != three and data[at] != four:
        at += 1
    return min(at, end)
