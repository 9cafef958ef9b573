"""A userspace WireGuard may set its link up and nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest

from appliance import privileges
from appliance.hub.names import Names
from appliance.hub.plane import DataPlane
from appliance.hub.wireguard import Backend, userspace
from appliance.model.desired import Desired

CAP_NET_ADMIN = 1 << 12


def test_its_process_has_one_capability_and_is_nobody(
    plane: DataPlane, names: Names, backend: Backend, desired: Desired
) -> None:
    if backend.name == "kernel":
        pytest.skip("the kernel's WireGuard has no process")
    plane.apply(desired)
    pid = userspace.processes()[names.places(desired.organization).link]
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    status = {key: value.strip() for key, _, value in (line.partition(":") for line in lines)}
    for kind in ("CapPrm", "CapEff", "CapBnd", "CapAmb"):
        assert int(status[kind], 16) == CAP_NET_ADMIN, kind
    assert status["NoNewPrivs"] == "1"
    if backend.name == "wireguard-go" and userspace._tun_is_everybody_s() and privileges.is_mapped(userspace._UID):
        assert set(status["Uid"].split()) == {str(userspace._UID)}
        assert status["Groups"] == ""
