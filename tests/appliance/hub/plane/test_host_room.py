"""New organizations are refused where the host runs low."""

from __future__ import annotations

import pytest

from appliance.host.resources import Resources
from appliance.hub.errors import Crowded
from appliance.hub.plane.host_room import HostRoom


@pytest.mark.parametrize("name", ["files", "threads", "memory"])
def test_the_last_part_of_each_resource_is_kept(name: str) -> None:
    used = {"files": 0, "threads": 0, "memory": 0}
    room = HostRoom(lambda: Resources(dict(used), dict.fromkeys(used, 1000)))
    used[name] = 950
    room.check()
    used[name] = 951
    with pytest.raises(Crowded, match="nearly full"):
        room.check()
    assert room.refused == 1


def test_what_cannot_be_measured_refuses_nobody() -> None:
    HostRoom(Resources).check()
