"""Hosts that don't exist: one that has everything, and any at all."""

from __future__ import annotations

import errno
from dataclasses import replace
from typing import Any

from hypothesis import strategies as st

from appliance.host import Facts, Privileges, Trial, inside, system
from appliance.host.facts import WIREGUARD_PROGRAMS

BEFORE_LINKS = (inside.NAMESPACES, inside.MOUNTS)
AFTER = (
    inside.TUN,
    inside.WIREGUARD,
    inside.BRIDGE,
    inside.VETH,
    inside.NETEM,
    inside.RULES,
    inside.SETTINGS,
    inside.PROCESSES,
)
PROGRAMS = (*WIREGUARD_PROGRAMS.values(), "wg", "wg-quick", "ip", "tc", "nft", "tcpdump", "ping", "git", "iperf3")
CAPABILITIES = ("CAP_NET_ADMIN", "CAP_SYS_ADMIN")


def trial(**complaints: str) -> Trial:
    """A trial in which all worked but for these steps."""
    return Trial({step: complaints.get(step, "") for step in (*BEFORE_LINKS, *AFTER)})


def hopeless(complaint: str = "Operation not permitted") -> Trial:
    """A trial that was over at its first step."""
    return Trial({inside.NAMESPACES: complaint})


def host(**changes: Any) -> Facts:
    """A host that has everything, changed."""
    good = Facts(
        distribution="Debian GNU/Linux 12 (bookworm)",
        has_apt=True,
        kernel="6.1.0-13-amd64",
        python="3.11.2",
        privileges=Privileges(root=True),
        wireguard_module="on disk",
        tun_errno=0,
        library="libnftables.so.1.1.0",
        own=trial(),
        ordinary=trial(),
        programs=dict.fromkeys(PROGRAMS, "1.2.3"),
        browser="chromium",
        settings={system.MAX_USERNS: "15000"},
        connections=262_144,
    )
    return replace(good, **changes)


def without(*programs: str) -> dict[str, str]:
    """All programs but these."""
    return {name: "1.2.3" for name in PROGRAMS if name not in programs}


_complaints = st.sampled_from(["", "Operation not supported", "Operation not permitted", "No such file or directory"])


@st.composite
def trials(draw: st.DrawFn) -> Trial:
    """Any trial that can come of the program: it ends where it can't go on."""
    complaints: dict[str, str] = {}
    for step in BEFORE_LINKS:
        complaints[step] = draw(_complaints)
        if complaints[step]:
            return Trial(complaints)
    return Trial(complaints | {step: draw(_complaints) for step in AFTER})


@st.composite
def hosts(draw: st.DrawFn) -> Facts:
    """Any host."""
    root = draw(st.booleans())
    own = draw(trials())
    return Facts(
        distribution=draw(st.sampled_from(["Debian GNU/Linux 12 (bookworm)", "Ubuntu 24.04.1 LTS", "unknown"])),
        has_apt=draw(st.booleans()),
        kernel="6.1.0",
        python=draw(st.sampled_from(["3.9.2", "3.10.0", "3.14.0rc1"])),
        privileges=Privileges(root, tuple(sorted(draw(st.sets(st.sampled_from(CAPABILITIES)))))),
        wireguard_module=draw(st.sampled_from(["", "loaded", "built in", "on disk"])),
        tun_errno=draw(st.sampled_from([0, errno.ENOENT, errno.EACCES, errno.EPERM, errno.ENODEV])),
        library=draw(st.sampled_from(["", "libnftables.so.1.1.0"])),
        own=own,
        ordinary=draw(st.none() | trials()) if root else own,
        programs=draw(st.dictionaries(st.sampled_from(PROGRAMS), st.sampled_from(["", "1.2.3"]))),
        browser=draw(st.sampled_from(["", "chromium"])),
        settings=draw(
            st.dictionaries(
                st.sampled_from([system.USERNS_CLONE, system.MAX_USERNS, system.APPARMOR_USERNS]),
                st.sampled_from(["0", "1", "15000"]),
            )
        ),
    )
