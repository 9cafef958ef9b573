"""Facts about a host as plain values."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from appliance.host import trial_program

WIREGUARD_PROGRAMS: Mapping[str, str] = {"wireguard-go": "wireguard-go", "boringtun": "boringtun-cli"}
"""Userspace implementations and their programs, in the hub's order of preference."""

SYS_ADMIN = "CAP_SYS_ADMIN"
"""Capability to make namespaces; without it, they take a user namespace (capabilities(7))."""

_SANDBOX = (trial_program.NAMESPACES, trial_program.MOUNTS, trial_program.PROCESSES)


@dataclass(frozen=True)
class Privileges:
    """Privileges of this process.

    Attributes:
        root: true if its effective user is root.
        lacking: capabilities that the hub needs and this process doesn't have.
    """

    root: bool
    lacking: tuple[str, ...] = ()


@dataclass(frozen=True)
class Trial:
    """Result of creating kernel objects in temporary namespaces.

    Attributes:
        errors: the kernel's error by tried step of `appliance.host.trial_program`; "" for a step that worked.
    """

    errors: Mapping[str, str]

    def tried(self, step: str) -> bool:
        """True if the step was tried; without namespaces no further step is tried."""
        return step in self.errors

    def works(self, step: str) -> bool:
        """True if the step was tried and worked."""
        return self.errors.get(step) == ""

    def first_error(self, steps: Iterable[str]) -> str:
        """The first error among steps; "" if all of them worked."""
        for step in steps:
            if not self.works(step):
                return self.errors.get(step, "not tried")
        return ""

    @property
    def sandbox_error(self) -> str:
        """Error that prevents a sandbox for labs; "" if there is none."""
        return self.first_error(_SANDBOX)


@dataclass(frozen=True)
class Facts:
    """Facts about a host, without its name or personal data.

    Attributes:
        distribution: name from os-release.
        has_apt: true if Debian packages can be installed.
        kernel: release.
        python: version of the running Python.
        wireguard_module: state of the kernel's module: "loaded", "built in", "on disk", or "" for unknown.
        tun_errno: error number of opening the TUN device; 0 if it opens.
        library: file name of libnftables with its version; "" if it can't be loaded.
        absent_packages: Python packages of the service that are not installed.
        own: trial as this user.
        ordinary: trial as a user without privileges; None if it was impossible.
        programs: versions of installed programs; "" for an unknown version.
        browser: description of the Chromium that was found; "" for none.
        settings: kernel settings about user namespaces, by sysctl name.
        connections: most connections that the kernel tracks; 0 for unknown.
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
    absent_packages: tuple[str, ...] = ()
