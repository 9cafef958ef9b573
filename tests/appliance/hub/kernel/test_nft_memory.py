"""Contexts of libnftables keep none of what they have read, so that hundreds of large rulesets fill no memory."""

from __future__ import annotations

import ctypes
from collections.abc import Iterator

import pytest

from appliance.hub.kernel.nft import Rulesets
from tests.appliance.hub.kernel.places import made

NAMES = tuple(f"mwmemory{number}" for number in range(4))
COUNTERS = "".join(f"add counter inet t c{number}\n" for number in range(5000))


class Allocated(ctypes.Structure):
    """Memory that libraries hold, as mallinfo2(3) tells it; Python's own objects are elsewhere."""

    _fields_ = [
        (name, ctypes.c_size_t)
        for name in (
            "arena",
            "ordblks",
            "smblks",
            "hblks",
            "hblkhd",
            "usmblks",
            "fsmblks",
            "uordblks",
            "fordblks",
            "keep",
        )
    ]


def allocated() -> int:
    tell = ctypes.CDLL(None).mallinfo2
    tell.restype = Allocated
    found = tell()
    return int(found.uordblks + found.hblkhd)


@pytest.fixture
def namespaces() -> Iterator[tuple[str, ...]]:
    with made(NAMES):
        yield NAMES


def test_contexts_keep_nothing_of_large_rulesets(namespaces: tuple[str, ...]) -> None:
    rulesets = Rulesets()
    for name in namespaces:
        rulesets.load(name, "add table inet t\n")
    before = allocated()
    for name in namespaces:
        rulesets.load(name, COUNTERS)
    grown = allocated() - before
    for name in namespaces:
        rulesets.forget(name)
    assert grown < len(namespaces) * len(COUNTERS)
