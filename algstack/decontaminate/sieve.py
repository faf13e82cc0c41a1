"""Which texts may hold something to redact: one pass over their bytes, before any pattern is tried.

A pattern can only match where a word that it needs is (`akia`, `token`, `://`), an at sign between letters, or numbers
with points or colons between. Of each word the four bytes that are rarest in text are looked for, in 64 places at once.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from llvmlite import ir
from numba import types

from algstack.texts import Bytes, Offsets, read_only
from algstack.vector import (
    LANES,
    alphanumeric_mask,
    byte_masks,
    copy,
    digit_mask,
    equal_mask,
    kernel,
    operation,
)

Flags = npt.NDArray[np.uint32]

WORDS = {
    "private-key": ("private key",),
    "password": ("passw", "pwd", "secret", "api_key", "apikey", "token"),
    "password-in-url": ("://",),
    "aws": ("akia", "asia", "abia", "acca", "a3t", "aws"),
    "azure": ("accountkey",),
    "discord": ("discord",),
    "github": ("ghp_", "gho_", "ghu_", "ghs_", "ghr_"),
    "gitlab": (
        *("glpat-", "gldt-", "glft-", "glsoat-", "glrt-", "glcbt-", "glptt-"),
        *("gr1348941", "glimt-", "glagent-", "gloas-"),
    ),
    "jwt": ("eyj",),
    "mailchimp": ("-us",),
    "npm": ("_authtoken",),
    "openai": ("t3blbkfj",),
    "pypi": ("pypi-",),
    "sendgrid": ("sg.",),
    "slack": ("xox", "hooks.slack"),
    "square": ("sq0csp-",),
    "stripe": ("k_live_",),
    "telegram": ("telegram",),
}
"""For each kind of secret the words, in lower case, of which a text must have one. They stand beside the code that is
made of them, since numba compiles that anew when this file changes."""

KINDS = tuple(WORDS)
"""Kinds of secrets; the flag of each is the bit of its place."""

EMAIL, ADDRESS = np.uint32(1 << 31), np.uint32(1 << 30)
"""Flags of texts that may hold an e-mail address, or an address of a network."""

GRAM = 4
"""Bytes of a word that are looked for."""

STEP = LANES - 10
"""Places that are looked at together: what begins at one of them lies within the 64 bytes."""

_RARER = " etaoinsrhldcumfpgwybv_-./:kxjqz0123456789"
_ANY_CASE = 0x20
_EXACT = np.uint8(0)
_AT, _DOT, _COLON, _TWO, _THREE = (np.uint8(ord(sign)) for sign in "@.:23")


def sift(data: Bytes, offsets: Offsets) -> Flags:
    """Return for each text the flags of what it may hold.

    Args:
        data: the bytes of all texts, UTF-8.
        offsets: where each begins; one more than there are texts.
    """
    found = np.zeros(offsets.size - 1, np.uint32)
    last = np.empty(LANES, np.uint8)
    _sift(read_only(data), offsets, last, read_only(last), found)
    return found


def _gram(word: str) -> bytes:
    grams = [word[at : at + GRAM] for at in range(max(len(word) - GRAM, 0) + 1)]
    rarest = max(grams, key=lambda gram: sum(map(_RARER.index, gram)))
    return bytes(byte | _ANY_CASE for byte in rarest.encode("ascii"))


@operation
def _words(typing_context: Any, data: Any, at: Any) -> Any:
    """Return the flags of the kinds that have a word in `data[at:at + 64]`, in any case of its letters."""
    grams = [[_gram(word) for word in WORDS[kind]] for kind in KINDS]

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        wanted = sorted({byte for of_kind in grams for gram in of_kind for byte in gram})
        masks = byte_masks(context, builder, signature.args[0], arguments, wanted, _ANY_CASE)
        long, short = ir.IntType(64), ir.IntType(32)
        flags = ir.Constant(short, 0)
        for number, of_kind in enumerate(grams):
            any_word = ir.Constant(long, 0)
            for gram in sorted(set(of_kind)):
                mask = masks[gram[0]]
                for place, byte in enumerate(gram[1:], 1):
                    mask = builder.and_(mask, builder.lshr(masks[byte], ir.Constant(long, place)))
                any_word = builder.or_(any_word, mask)
            has_word = builder.icmp_unsigned("!=", any_word, ir.Constant(long, 0))
            flag = builder.select(has_word, ir.Constant(short, 1 << number), ir.Constant(short, 0))
            flags = builder.or_(flags, flag)
        return flags

    return types.uint32(data, types.int64), generate


@kernel
def _sift(data: Any, offsets: Any, room: Any, last: Any, found: Any) -> None:
    one, two, three, four = np.uint64(1), np.uint64(2), np.uint64(3), np.uint64(4)
    for row in range(offsets.size - 1):
        at, end, flags = offsets[row], offsets[row + 1], np.uint32(0)
        while at < end:
            # What follows the text may be seen as its own: it is let through once too often then, never missed.
            source, place = data, at
            if at + LANES > data.size:
                copy(data, at, end - at, room, 0)
                source, place = last, 0
            flags |= _words(source, place)
            letters, digits = alphanumeric_mask(source, place), digit_mask(source, place)
            if letters & (equal_mask(source, place, _AT, _EXACT) >> one) & (letters >> two):
                flags |= EMAIL
            # A point, one to three digits, and the next point; then the same from there.
            dots = equal_mask(source, place, _DOT, _EXACT)
            number_1 = dots & (digits >> one)
            number_2 = number_1 & (digits >> two)
            number_3 = number_2 & (digits >> three) & (dots >> four)
            number_1 &= dots >> two
            number_2 &= dots >> three
            numbers = number_1 | number_2 | number_3
            if (number_1 & (numbers >> two)) | (number_2 & (numbers >> three)) | (number_3 & (numbers >> four)):
                flags |= ADDRESS
            # A group of four digits that begins with 2 or 3, and a colon.
            group = equal_mask(source, place, _TWO, _EXACT) | equal_mask(source, place, _THREE, _EXACT)
            group &= (letters >> one) & (letters >> two) & (letters >> three)
            if group & (equal_mask(source, place, _COLON, _EXACT) >> four):
                flags |= ADDRESS
            if end - at <= LANES:
                break
            at += STEP
        found[row] = flags
