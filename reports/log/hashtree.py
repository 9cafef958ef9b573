"""Hash trees by RFC 6962 (section 2.1), which RFC 9162 leaves as they are: roots, proofs, and their checks."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence

Hashes = Callable[[int, int], bytes]
"""Hash of a complete subtree, by its height and its index among those of this height; a leaf has the height 0."""

EMPTY = hashlib.sha256(b"").digest()
"""Root of the tree without leaves."""


class ProofError(Exception):
    """A proof does not lead to the root that it is for; the message is one sentence."""


def leaf_hash(entry: bytes) -> bytes:
    """Returns the hash of a leaf."""
    return hashlib.sha256(b"\x00" + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Returns the hash of a node above two others."""
    return hashlib.sha256(b"\x01" + left + right).digest()


def of_leaves(leaves: Sequence[bytes]) -> Hashes:
    """Returns the hashes of the complete subtrees over these hashes of leaves."""

    def find(height: int, index: int) -> bytes:
        if height == 0:
            return leaves[index]
        return node_hash(find(height - 1, 2 * index), find(height - 1, 2 * index + 1))

    return find


def root(size: int, hashes: Hashes) -> bytes:
    """Returns the root of a tree.

    Args:
        size: number of its leaves.
        hashes: hashes of its complete subtrees.
    """
    return _range(0, size, hashes) if size else EMPTY


def inclusion(index: int, size: int, hashes: Hashes) -> list[bytes]:
    """Returns the proof that a leaf is in a tree: its siblings' hashes, from the leaf up (PATH in RFC 6962, 2.1.1).

    Args:
        index: number of the leaf, from 0.
        size: number of the tree's leaves.
        hashes: hashes of its complete subtrees.
    """
    begin, end, found = 0, size, []
    while end - begin > 1:
        middle = begin + _split(end - begin)
        if index < middle:
            found.append(_range(middle, end, hashes))
            end = middle
        else:
            found.append(_range(begin, middle, hashes))
            begin = middle
    return found[::-1]


def consistency(old: int, size: int, hashes: Hashes) -> list[bytes]:
    """Returns the proof that a tree begins with the leaves of an older one (PROOF in RFC 6962, 2.1.2).

    Args:
        old: number of leaves of the older tree, from 1 to `size`.
        size: number of leaves of the tree.
        hashes: hashes of its complete subtrees.
    """
    begin, end, found = 0, size, []
    while old != end:
        middle = begin + _split(end - begin)
        if old <= middle:
            found.append(_range(middle, end, hashes))
            end = middle
        else:
            found.append(_range(begin, middle, hashes))
            begin = middle
    # A left edge of the tree is the older root itself, which the verifier has.
    return [*([_range(begin, end, hashes)] if begin else []), *found[::-1]]


def check_inclusion(index: int, size: int, leaf: bytes, proof: Sequence[bytes], expected: bytes) -> None:
    """Checks that a leaf is in a tree (RFC 9162, 2.1.3.2).

    Args:
        index: number of the leaf, from 0.
        size: number of the tree's leaves.
        leaf: hash of the leaf.
        proof: the siblings' hashes.
        expected: root of the tree.

    Raises:
        ProofError: it is not shown.
    """
    if not 0 <= index < size:
        raise ProofError(f"There is no entry {index} among {size}.")
    node, last, found = index, size - 1, leaf
    for each in proof:
        if last == 0:
            raise ProofError("The proof of inclusion is too long.")
        if node % 2 or node == last:
            found = node_hash(each, found)
            while node and not node % 2:
                node, last = node >> 1, last >> 1
        else:
            found = node_hash(found, each)
        node, last = node >> 1, last >> 1
    if last or found != expected:
        raise ProofError("The proof of inclusion does not lead to the root.")


def check_consistency(old: int, size: int, before: bytes, expected: bytes, proof: Sequence[bytes]) -> None:
    """Checks that a tree begins with the leaves of an older one (RFC 9162, 2.1.4.2).

    Args:
        old: number of leaves of the older tree.
        size: number of leaves of the tree.
        before: root of the older tree.
        expected: root of the tree.
        proof: the hashes between them.

    Raises:
        ProofError: it is not shown.
    """
    if not 0 <= old <= size:
        raise ProofError(f"A tree of {size} does not begin with one of {old}.")
    if old in (0, size):
        if proof or before != (EMPTY if old == 0 else expected):
            raise ProofError("The two roots differ.")
        return
    path = [before, *proof] if old & (old - 1) == 0 else list(proof)
    if not path:
        raise ProofError("The proof of consistency is too short.")
    node, last = old - 1, size - 1
    while node % 2:
        node, last = node >> 1, last >> 1
    first = second = path[0]
    for each in path[1:]:
        if last == 0:
            raise ProofError("The proof of consistency is too long.")
        if node % 2 or node == last:
            first, second = node_hash(each, first), node_hash(each, second)
            while node and not node % 2:
                node, last = node >> 1, last >> 1
        else:
            second = node_hash(second, each)
        node, last = node >> 1, last >> 1
    if last or first != before or second != expected:
        raise ProofError("The proof of consistency does not lead to the two roots.")


def _split(count: int) -> int:
    """Largest power of two below a number of at least 2."""
    return 1 << ((count - 1).bit_length() - 1)


def _range(begin: int, end: int, hashes: Hashes) -> bytes:
    """Hash over a part of the leaves, as the recursion of RFC 6962 splits them off."""
    count = end - begin
    if count & (count - 1) == 0:
        return hashes(count.bit_length() - 1, begin // count)
    middle = begin + _split(count)
    return node_hash(_range(begin, middle, hashes), _range(middle, end, hashes))
