"""Findings about WireGuard implementations, and the hub's choice."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from dataclasses import dataclass

from appliance.host import system, trial_program
from appliance.host.facts import WIREGUARD_PROGRAMS, Facts
from appliance.host.finding import LABS, UP, Finding, as_root, install, missing, optional, present, untried

KERNEL = "kernel"

_EVERYONE = (UP, *LABS)
_MODULE = {
    "loaded": "its module is loaded",
    "built in": "it is built into the kernel",
    "on disk": "its module can be loaded",
}


@dataclass(frozen=True)
class WireGuardChoice:
    """A WireGuard implementation.

    Attributes:
        name: value of ``--wireguard``.
    """

    name: str
    version: str


def choose(facts: Facts) -> WireGuardChoice | None:
    """The implementation that ``--wireguard auto`` chooses; None if there is none."""
    if has_kernel_wireguard(facts):
        return WireGuardChoice(KERNEL, facts.kernel)
    for name, program in WIREGUARD_PROGRAMS.items():
        if program in facts.programs:
            return WireGuardChoice(name, facts.programs[program])
    return None


def has_kernel_wireguard(facts: Facts) -> bool:
    """True if the kernel creates WireGuard links, or, if that was not tried, has the module."""
    if facts.own.tried(trial_program.WIREGUARD):
        return facts.own.works(trial_program.WIREGUARD)
    return facts.wireguard_module != ""


def findings(facts: Facts) -> Iterator[Finding]:
    """Findings about the choice, each implementation, and the TUN device."""
    chosen = choose(facts)
    if chosen is None:
        advice = install(facts, "wireguard-go")
        yield missing("wireguard", "no implementation, neither in the kernel nor in userspace", _EVERYONE, advice)
    else:
        yield present("wireguard", f"{chosen.name} {chosen.version}".rstrip() + ", with --wireguard auto", _EVERYONE)
    yield _kernel(facts)
    advices = {
        "wireguard-go": install(facts, "wireguard-go"),
        "boringtun": as_root(facts, "cargo install --root /usr/local boringtun-cli"),
    }
    for name, program in WIREGUARD_PROGRAMS.items():
        if program in facts.programs:
            yield present(name, facts.programs[program] or "unknown version", _EVERYONE)
        else:
            yield optional(name, f"{program} is not installed", _EVERYONE, advices[name])
    yield _tun(facts)


def _kernel(facts: Facts) -> Finding:
    name = "kernel-wireguard"
    if facts.own.works(trial_program.WIREGUARD):
        return present(name, f"Linux {facts.kernel}", _EVERYONE)
    if facts.own.tried(trial_program.WIREGUARD):
        error = facts.own.errors[trial_program.WIREGUARD]
        if facts.wireguard_module == "on disk":
            advice = as_root(facts, "modprobe wireguard")
        else:
            advice = "boot a kernel that has it (CONFIG_WIREGUARD), as Debian's own do"
        return optional(name, f"the kernel creates no WireGuard link: {error}", _EVERYONE, advice)
    if facts.wireguard_module:
        return present(name, f"{_MODULE[facts.wireguard_module]}; takes root to try", _EVERYONE)
    return untried(facts, name, _EVERYONE)


def _tun(facts: Facts) -> Finding:
    name = "tun"
    number = facts.tun_errno
    if number == 0 and (facts.own.works(trial_program.TUN) or not facts.own.tried(trial_program.TUN)):
        return present(name, f"{system.TUN} opens", _EVERYONE)
    if number == 0:
        found = f"{system.TUN} opens but creates no link: {facts.own.errors[trial_program.TUN]}"
        advice = f"in a container, start it with --cap-add NET_ADMIN --device {system.TUN}"
    else:
        found = f"{system.TUN} can't be opened: {os.strerror(number)}"
        advice = _tun_advice(facts)
    if has_kernel_wireguard(facts):
        return optional(name, found, _EVERYONE, advice)
    # The hub runs as root, which may open the device.
    only_for_root = number == errno.EACCES and not facts.privileges.root
    return missing(name, found, LABS if only_for_root else _EVERYONE, advice)


def _tun_advice(facts: Facts) -> str:
    if facts.tun_errno == errno.EACCES:
        return as_root(facts, f"chmod 0666 {system.TUN}")
    if facts.tun_errno == errno.EPERM:
        return f"in a container, start it with --device {system.TUN}"
    return as_root(facts, "modprobe tun") + f"; in a container, start it with --device {system.TUN}"
