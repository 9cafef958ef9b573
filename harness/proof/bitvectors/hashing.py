"""``jhash`` exactly, as a term: Bob Jenkins' lookup3 (the kernel's include/linux/jhash.h)."""

from __future__ import annotations

from collections.abc import Sequence

import z3

from harness.proof.bitvectors.logic import Number, number

_INITIAL = 0xDEADBEEF
_BLOCK = 3
_WORD = 32


def bucket(words: Sequence[Number], modulus: int, seed: int, offset: int) -> Number:
    """Value of ``jhash … mod``: the hash scaled to the buckets (net/netfilter/nft_hash.c, `reciprocal_scale`)."""
    wide = z3.ZeroExt(_WORD, jhash(words, seed)) * number(modulus, 2 * _WORD)
    return z3.simplify(z3.Extract(2 * _WORD - 1, _WORD, wide) + number(offset, _WORD))


def jhash(words: Sequence[Number], seed: int) -> Number:
    """Hash of a key of whole words, each in the host's order of bytes (`jhash`, `jhash2`)."""
    a = b = c = number((_INITIAL + 4 * len(words) + seed) % (1 << _WORD), _WORD)
    while len(words) > _BLOCK:
        a, b, c = _mixed(a + words[0], b + words[1], c + words[2])
        words = words[_BLOCK:]
    zero = number(0, _WORD)
    first, second, third = (*words, zero, zero, zero)[:_BLOCK]
    return _finished(a + first, b + second, c + third) if words else c


def in_host_order(value: Number) -> Number:
    """The word that a little-endian host reads where a header's field of 32 bits lies."""
    return z3.Concat(*(z3.Extract(at + 7, at, value) for at in range(0, _WORD, 8)))


def _mixed(a: Number, b: Number, c: Number) -> tuple[Number, Number, Number]:
    for by in (4, 6, 8, 16, 19, 4):
        a = (a - c) ^ z3.RotateLeft(c, by)
        c = c + b
        a, b, c = b, c, a
    return a, b, c


def _finished(a: Number, b: Number, c: Number) -> Number:
    for by in (14, 11, 25, 16, 4, 14, 24):
        c = (c ^ b) - z3.RotateLeft(b, by)
        a, b, c = b, c, a
    return b
