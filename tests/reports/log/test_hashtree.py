"""Hash trees: the known answers of RFC 6962's implementations, and proofs that hold for what they are for alone."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reports.log import hashtree
from reports.log.hashtree import ProofError

# The leaves and roots that implementations of Certificate Transparency test themselves by.
LEAVES = [
    bytes.fromhex(each)
    for each in (
        "",
        "00",
        "10",
        "2021",
        "3031",
        "40414243",
        "5051525354555657",
        "606162636465666768696a6b6c6d6e6f",
    )
]
ROOTS = (
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
)
# From the same source: leaf 5 of 8, and a tree of 8 after one of 6.
INCLUSION = (
    "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
    "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
)
CONSISTENCY = (
    "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
    "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
)

MOST = 40


def leaves(count: int) -> list[bytes]:
    return [hashtree.leaf_hash(bytes([each])) for each in range(count)]


def root_by_definition(hashes: Sequence[bytes]) -> bytes:
    """Computes MTH as RFC 6962 defines it, over lists."""
    if len(hashes) < 2:
        return hashes[0] if hashes else hashlib.sha256().digest()
    split = 1
    while split * 2 < len(hashes):
        split *= 2
    left, right = root_by_definition(hashes[:split]), root_by_definition(hashes[split:])
    return hashlib.sha256(b"\x01" + left + right).digest()


def changed(hashes: Sequence[bytes], data: st.DataObject) -> list[bytes]:
    """Changes a bit, leaves a hash out, adds one, or swaps two."""
    found = [*hashes]
    place = data.draw(st.integers(0, max(0, len(found) - 1)))
    way = data.draw(st.sampled_from(["bit", "less", "more", "swap"] if len(found) > 1 else ["more"]))
    if way == "bit":
        found[place] = bytes([found[place][0] ^ 1]) + found[place][1:]
    elif way == "less":
        del found[place]
    elif way == "more":
        found.insert(place, b"\x05" * 32)
    else:
        found[place - 1], found[place] = found[place], found[place - 1]
    return found


@pytest.mark.parametrize("size", range(len(ROOTS)))
def test_roots_are_the_known_ones(size: int) -> None:
    hashes = hashtree.of_leaves([hashtree.leaf_hash(each) for each in LEAVES[:size]])
    assert hashtree.root(size, hashes).hex() == ROOTS[size]


def test_proofs_are_the_known_ones() -> None:
    hashes = hashtree.of_leaves([hashtree.leaf_hash(each) for each in LEAVES])
    assert tuple(each.hex() for each in hashtree.inclusion(5, 8, hashes)) == INCLUSION
    assert tuple(each.hex() for each in hashtree.consistency(6, 8, hashes)) == CONSISTENCY


@given(size=st.integers(1, MOST), data=st.data())
def test_inclusion_is_shown_of_the_leaf_alone(size: int, data: st.DataObject) -> None:
    found = leaves(size)
    hashes, expected = hashtree.of_leaves(found), root_by_definition(found)
    assert hashtree.root(size, hashes) == expected
    index = data.draw(st.integers(0, size - 1))
    proof = hashtree.inclusion(index, size, hashes)
    hashtree.check_inclusion(index, size, found[index], proof, expected)
    other = data.draw(st.integers(-1, size + 1).filter(lambda each: each != index))
    wrong = [
        (other, size, found[index], proof, expected),
        (index, size, hashtree.leaf_hash(b"other"), proof, expected),
        (index, size, found[index], changed(proof, data), expected),
        (index, size, found[index], proof, hashtree.leaf_hash(b"other")),
    ]
    for each in wrong:
        with pytest.raises(ProofError):
            hashtree.check_inclusion(*each)


@given(size=st.integers(1, MOST), data=st.data())
def test_consistency_is_shown_of_the_older_tree_alone(size: int, data: st.DataObject) -> None:
    found = leaves(size)
    hashes, expected = hashtree.of_leaves(found), root_by_definition(found)
    old = data.draw(st.integers(1, size))
    before = root_by_definition(found[:old])
    proof = hashtree.consistency(old, size, hashes)
    hashtree.check_consistency(old, size, before, expected, proof)
    fork = root_by_definition([*found[: old - 1], hashtree.leaf_hash(b"other")])
    wrong = [
        (old, size, fork, expected, proof),
        (old, size, before, fork if old == size else hashtree.leaf_hash(b"other"), proof),
        (old, size, before, expected, changed(proof, data)),
        (size + 1, size, before, expected, proof),
    ]
    for each in wrong:
        with pytest.raises(ProofError):
            hashtree.check_consistency(*each)


def test_every_tree_begins_with_the_empty_one() -> None:
    hashtree.check_consistency(0, 3, hashtree.EMPTY, root_by_definition(leaves(3)), [])
    with pytest.raises(ProofError):
        hashtree.check_consistency(0, 3, hashtree.leaf_hash(b""), root_by_definition(leaves(3)), [])
