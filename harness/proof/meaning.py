"""Meaning of expressions that both a lookup and its constants depend on: masks, hashes, pairs of equals."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache, lru_cache

from harness.proof.errors import Unmodelled
from harness.proof.fields import QUOTED_DESTINATION, Kind
from harness.proof.intervals import Interval, IntervalSet
from harness.proof.ruleset import And, Concat, Expression, Field, Literal, Match, Or

_BITS = {Kind.BYTE: 8, Kind.PORT: 16}
ADDRESS_BITS = 0xFFFF_FFFF
_SENDER = Field("ip saddr")


def leaf_of(expression: Expression) -> Expression:
    """The field below masks.

    Raises:
        Unmodelled: the expression is no field with masks.
    """
    while isinstance(expression, (And, Or)):
        expression = expression.of
    if isinstance(expression, (Concat, Literal)):
        raise Unmodelled(f"the expression {expression}", "ruleset")
    return expression


def applied(expression: Expression, value: int) -> int:
    """Value of an expression whose field has this value."""
    if isinstance(expression, And):
        return applied(expression.of, value) & expression.mask
    if isinstance(expression, Or):
        return applied(expression.of, value) | expression.bits
    return value


@cache
def preimage(expression: Expression, kind: Kind, interval: Interval) -> tuple[Interval, ...]:
    """Values of a field for which an expression lies in an interval.

    Raises:
        Unmodelled: they are too many intervals; an address may be masked by a prefix alone.
    """
    if not isinstance(expression, (And, Or)):
        return (interval,)
    first, last = interval
    if kind in _BITS:
        values = range(1 << _BITS[kind])
        return IntervalSet.of((each, each) for each in values if first <= applied(expression, each) <= last).intervals
    if isinstance(expression, And) and not isinstance(expression.of, (And, Or)):
        host = ADDRESS_BITS & ~expression.mask
        if host & (host + 1) == 0:
            # The masked value grows with the address.
            begin, end = (first + host) & ~host, (last & ~host) + host
            return ((begin, end),) if begin <= end else ()
    raise Unmodelled(f"the mask of {expression}", "ruleset")


def compared_bits(match: Match) -> int | None:
    """Bits in which a match compares a packet's source with the destination of the packet that it quotes, or None.

    nftables can't compare two fields. It can look up a pair of them, masked alike, in a set of all pairs of equals.
    """
    if not isinstance(match.left, Concat) or len(match.left.parts) != len(("source", "quoted")):
        return None
    first, second = match.left.parts
    if not isinstance(first, And) or not isinstance(second, And) or first.mask != second.mask:
        return None
    if {first.of, second.of} != {_SENDER, QUOTED_DESTINATION}:
        return None
    keys = {element.key for element in match.right}
    values = {key[0][0] for key in keys if key is not None and len(set(key)) == 1 and key[0][0] == key[0][1]}
    if len(values) != len(keys) or len(values) != 1 << bin(first.mask).count("1"):
        return None
    return first.mask if all(value & ~first.mask == 0 for value in values) else None


def common_prefix(values: Sequence[Interval]) -> int:
    """Mask of the leading bits in which all these addresses are equal."""
    differing = values[0][0] ^ values[-1][1]
    return ADDRESS_BITS & ~((1 << differing.bit_length()) - 1)


_WORD = 0xFFFF_FFFF
_IN_HOST_ORDER = ("meta mark", "meta priority")
_OF_HEADERS = (
    "ip saddr",
    "ip daddr",
    *(f"ct {way} {end}" for way in ("original", "reply") for end in ("saddr", "daddr")),
)


def hash_word(expression: Expression, value: int) -> int:
    """The word that `jhash` reads of a register: fields of headers are in the network's order of bytes.

    Raises:
        Unmodelled: the field is shorter than a word, or its layout in a register is not known.
    """
    leaf = leaf_of(expression)
    name = leaf.name if isinstance(leaf, Field) else ""
    if name in _IN_HOST_ORDER:
        return value
    if name not in _OF_HEADERS:
        raise Unmodelled(f"a hash of {leaf}", "ruleset")
    return int.from_bytes(value.to_bytes(4, "big"), "little")


def bucket(words: Sequence[int], modulus: int, seed: int, offset: int) -> int:
    """Value of ``jhash … mod``, for a key of up to three words (net/netfilter/nft_hash.c, `reciprocal_scale`)."""
    return (jhash(tuple(words), seed) * modulus >> 32) + offset


@lru_cache(maxsize=1 << 20)
def jhash(words: tuple[int, ...], seed: int) -> int:
    """Bob Jenkins' lookup3 as in <linux/jhash.h>, of one to three words.

    Raises:
        Unmodelled: the key is longer.
    """
    if len(words) > len("abc"):
        raise Unmodelled(f"a hash of {4 * len(words)} bytes", "ruleset")
    start = (0xDEADBEEF + 4 * len(words) + seed) & _WORD
    a, b, c = ((start + word) & _WORD for word in (*words, 0, 0, 0)[:3])
    c = ((c ^ b) - _rotated(b, 14)) & _WORD
    a = ((a ^ c) - _rotated(c, 11)) & _WORD
    b = ((b ^ a) - _rotated(a, 25)) & _WORD
    c = ((c ^ b) - _rotated(b, 16)) & _WORD
    a = ((a ^ c) - _rotated(c, 4)) & _WORD
    b = ((b ^ a) - _rotated(a, 14)) & _WORD
    return ((c ^ b) - _rotated(b, 24)) & _WORD


def _rotated(word: int, by: int) -> int:
    return (word << by | word >> (32 - by)) & _WORD
