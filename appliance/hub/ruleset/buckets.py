"""Buckets of a lookup's elements, by the same hash of the key that the kernel computes."""

from __future__ import annotations

import socket
import sys
from collections.abc import Sequence
from functools import lru_cache

from appliance.hub.ruleset.lookups import Key

SEED = 0x6D657368
MOST_IN_ONE = 64
"""Elements in a bucket on average, at most."""
_WORD = 0xFFFF_FFFF


def count_for(elements: int) -> int:
    """Number of buckets for a number of elements: a power of two, so that it seldom changes."""
    buckets = 1
    while buckets * MOST_IN_ONE < elements:
        buckets *= 2
    return buckets


def bucket_of(key: Key, buckets: int) -> int:
    """Compute the bucket of a key like ``jhash … mod BUCKETS seed SEED`` (nft(8), "HASH GENERATOR EXPRESSIONS").

    Args:
        key: one or two ends.
    """
    return _hash(key) * buckets >> 32


# A policy is compiled at every save, mostly with the same keys.
@lru_cache(maxsize=1 << 16)
def _hash(key: Key) -> int:
    return _jhash([_in_register(end) for end in key])


def _in_register(end: str) -> int:
    """Word of a key as the hash reads it: an address is in network order, a class in the host's."""
    if "." in end:
        return int.from_bytes(socket.inet_aton(end), "little")
    major, _, minor = end.rpartition(":")
    number = int(major, 16) << 16 | int(minor, 16) if major else int(end, 16)
    return int.from_bytes(number.to_bytes(4, sys.byteorder), "little")


def _jhash(parts: Sequence[int]) -> int:
    """Compute Bob Jenkins' lookup3 for one to three words (<linux/jhash.h>, `jhash`)."""
    start = (0xDEADBEEF + 4 * len(parts) + SEED) & _WORD
    a, b, c = ((start + part) & _WORD for part in (*parts, *[0] * (3 - len(parts))))
    c = ((c ^ b) - _rotate(b, 14)) & _WORD
    a = ((a ^ c) - _rotate(c, 11)) & _WORD
    b = ((b ^ a) - _rotate(a, 25)) & _WORD
    c = ((c ^ b) - _rotate(b, 16)) & _WORD
    a = ((a ^ c) - _rotate(c, 4)) & _WORD
    b = ((b ^ a) - _rotate(a, 14)) & _WORD
    return ((c ^ b) - _rotate(b, 24)) & _WORD


def _rotate(word: int, by: int) -> int:
    return (word << by | word >> (32 - by)) & _WORD
