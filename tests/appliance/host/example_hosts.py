"""Invented hosts: one with every feature, and strategies for random ones."""

from __future__ import annotations

import errno
from dataclasses import replace
from typing import Any

from hypothesis import strategies as st

from appliance.host import Facts, Privileges, Trial, system, trial_program
from appliance.host.facts import WIREGUARD_PROGRAMS
from appliance.host.libraries import MODULES

BEFORE_LINKS = (trial_program.NAMESPACES, trial_program.MOUNTS)
AFTER = (
    trial_program.TUN,
    trial_program.WIREGUARD,
    trial_program.BRIDGE,
    trial_program.VETH,
    trial_program.NETEM,
    trial_program.RULES,
    trial_program.SETTINGS,
    trial_program.PROCESSES,
)
PROGRAMS = (*WIREGUARD_PROGRAMS.values(), "wg", "wg-quick", "ip", "tc", "nft", "tcpdump", "ping", "git", "iperf3")
CAPABILITIES = ("CAP_NET_ADMIN", "CAP_SYS_ADMIN")


def trial(**errors: str) -> Trial:
    """Makes a trial in which all steps worked, apart from the given errors."""
    return Trial({step: errors.get(step, "") for step in (*BEFORE_LINKS, *AFTER)})


def failed_trial(error: str = "Operation not permitted") -> Trial:
    """Makes a trial whose first step failed."""
    return Trial({trial_program.NAMESPACES: error})


def host(**changes: Any) -> Facts:
    """Makes a host with every feature, apart from the given changes."""
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
    """Returns the programs of a complete host without these."""
    return {name: "1.2.3" for name in PROGRAMS if name not in programs}


_errors = st.sampled_from(["", "Operation not supported", "Operation not permitted", "No such file or directory"])


@st.composite
def trials(draw: st.DrawFn) -> Trial:
    """Generates trials as the program can report them: a trial ends early without namespaces."""
    errors: dict[str, str] = {}
    for step in BEFORE_LINKS:
        errors[step] = draw(_errors)
        if errors[step]:
            return Trial(errors)
    return Trial(errors | {step: draw(_errors) for step in AFTER})


@st.composite
def hosts(draw: st.DrawFn) -> Facts:
    """Generates random hosts."""
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
        absent_packages=tuple(draw(st.lists(st.sampled_from(sorted(MODULES)), unique=True))),
    )
