"""Facts about a host: plain values, found by `appliance.host.probe`, or made up by a test."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from appliance.host import inside

WIREGUARD_PROGRAMS: Mapping[str, str] = {"wireguard-go": "wireguard-go", "boringtun": "boringtun-cli"}
"""Userspace implementations and their programs, in the order in which the hub prefers them."""

_SANDBOX = (inside.NAMESPACES, inside.MOUNTS, inside.PROCESSES)


@dataclass(frozen=True)
class Privileges:
    """What this process may do.

    Attributes:
        root: whether its effective user is root.
        lacking: capabilities that the hub needs and this process does not have.
    """

    root: bool
    lacking: tuple[str, ...] = ()


@dataclass(frozen=True)
class Trial:
    """What came of making things in throw-away namespaces.

    Attributes:
        complaints: for each step of `appliance.host.inside` that was tried what the kernel said; "" where it worked.
    """

    complaints: Mapping[str, str]

    def tried(self, step: str) -> bool:
        """Whether it came to this step: without namespaces it comes to none of the others."""
        return step in self.complaints

    def works(self, step: str) -> bool:
        """Whether the step was tried and worked."""
        return self.complaints.get(step) == ""

    def first_complaint(self, steps: Iterable[str]) -> str:
        """The first that stood in the way of these steps; "" if all of them worked."""
        for step in steps:
            if not self.works(step):
                return self.complaints.get(step, "not tried")
        return ""

    @property
    def sandbox_complaint(self) -> str:
        """Why there can be no sandbox for labs; "" if there can."""
        return self.first_complaint(_SANDBOX)


@dataclass(frozen=True)
class Facts:
    """What was found on a host. Nothing in it names the host or a person.

    Attributes:
        distribution: as it calls itself.
        has_apt: whether Debian packages can be installed.
        kernel: release.
        python: version of the Python that runs this.
        wireguard_module: where the kernel has WireGuard: "loaded", "built in", "on disk", or "" for nowhere known.
        tun_errno: what opening the TUN device ended with; 0 if it opens.
        library: file name of libnftables with its version; "" if it can't be loaded.
        programs: versions of the programs that are there; "" where none was told.
        browser: how Chromium was found; "" if it wasn't.
        settings: kernel settings about user namespaces, those that this kernel has, by their sysctl name.
        connections: how many connections the kernel tracks at most; 0 if it does not say.
        own: a trial as the user who asks.
        ordinary: a trial as a user without privileges; None if there could be none.
    """

    distribution: str
    has_apt: bool
    kernel: str
    python: str
    privileges: Privileges
    wireguard_module: str
    tun_errno: int
    library: str
    own: Trial
    ordinary: Trial | None
    programs: Mapping[str, str] = field(default_factory=dict)
    browser: str = ""
    settings: Mapping[str, str] = field(default_factory=dict)
    connections: int = 0
