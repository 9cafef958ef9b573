"""Times of an address, read from what a kernel tells."""

from __future__ import annotations

from math import inf

import pytest

from tests.appliance.cluster.held import held

_LOG = """\
[2026-12-01T20:47:01.500000] 1: lo    inet 192.0.2.100/32 scope global dynamic lo
       valid_lft 2sec preferred_lft 2sec
[2026-12-01T20:47:02.000000] 1: lo    inet 192.0.2.100/32 scope global dynamic lo
       valid_lft 2sec preferred_lft 2sec
[2026-12-01T20:47:02.500000] 1: lo    inet 192.0.2.77/32 scope global lo
       valid_lft forever preferred_lft forever
[2026-12-01T20:47:04.000000] Deleted 1: lo    inet 192.0.2.100/32 scope global dynamic lo
       valid_lft 0sec preferred_lft 0sec
"""


def test_an_address_is_held_from_its_coming_to_its_end() -> None:
    ((begin, end),) = held(_LOG, "192.0.2.100")
    assert end - begin == pytest.approx(2.5)
    ((_, end),) = held(_LOG, "192.0.2.77")
    assert end == inf
