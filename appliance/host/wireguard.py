"""Which WireGuard the hub would choose, and what each implementation lacks."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from dataclasses import dataclass

from appliance.host import inside, system
from appliance.host.facts import WIREGUARD_PROGRAMS, Facts
from appliance.host.finding import LABS, UP, Finding, as_root, could_do_with, has, install, lacks, untried

KERNEL = "kernel"

_EVERYONE = (UP, *LABS)
_MODULE = {
    "loaded": "its module is loaded",
    "built in": "it is built into the kernel",
    "on disk": "its module is there to be loaded",
}


@dataclass(frozen=True)
class Chosen:
    """An implementation.

    Attributes:
        name: as ``--wireguard`` takes it.
    """

    name: str
    version: str


def choose(facts: Facts) -> Chosen | None:
    """What ``--wireguard auto`` comes to; None if there is no WireGuard at all."""
    if has_kernel_wireguard(facts):
        return Chosen(KERNEL, facts.kernel)
    for name, program in WIREGUARD_PROGRAMS.items():
        if program in facts.programs:
            return Chosen(name, facts.programs[program])
    return None


def has_kernel_wireguard(facts: Facts) -> bool:
    """Whether the kernel makes WireGuard links, or for who can't try it, surely would."""
    if facts.own.tried(inside.WIREGUARD):
        return facts.own.works(inside.WIREGUARD)
    return facts.wireguard_module != ""


def findings(facts: Facts) -> Iterator[Finding]:
    """The choice, each implementation, and the TUN device."""
    chosen = choose(facts)
    if chosen is None:
        advice = install(facts, "wireguard-go")
        yield lacks("wireguard", "neither the kernel's nor a userspace one", _EVERYONE, advice)
    else:
        yield has("wireguard", f"{chosen.name} {chosen.version}".rstrip() + ", by --wireguard auto", _EVERYONE)
    yield _kernel(facts)
    advices = {
        "wireguard-go": install(facts, "wireguard-go"),
        "boringtun": as_root(facts, "cargo install --root /usr/local boringtun-cli"),
    }
    for name, program in WIREGUARD_PROGRAMS.items():
        if program in facts.programs:
            yield has(name, facts.programs[program] or "of unknown version", _EVERYONE)
        else:
            yield could_do_with(name, f"{program} is not installed", _EVERYONE, advices[name])
    yield _tun(facts)


def _kernel(facts: Facts) -> Finding:
    name = "kernel-wireguard"
    if facts.own.works(inside.WIREGUARD):
        return has(name, f"Linux {facts.kernel}", _EVERYONE)
    if facts.own.tried(inside.WIREGUARD):
        complaint = facts.own.complaints[inside.WIREGUARD]
        if facts.wireguard_module == "on disk":
            advice = as_root(facts, "modprobe wireguard")
        else:
            advice = "boot a kernel that has it (CONFIG_WIREGUARD), as Debian's own do"
        return could_do_with(name, f"the kernel makes no WireGuard link: {complaint}", _EVERYONE, advice)
    if facts.wireguard_module:
        return has(name, f"{_MODULE[facts.wireguard_module]}; takes root to try", _EVERYONE)
    return untried(facts, name, _EVERYONE)


def _tun(facts: Facts) -> Finding:
    name = "tun"
    number = facts.tun_errno
    if number == 0 and (facts.own.works(inside.TUN) or not facts.own.tried(inside.TUN)):
        return has(name, f"{system.TUN} opens", _EVERYONE)
    if number == 0:
        found = f"{system.TUN} opens but makes no link: {facts.own.complaints[inside.TUN]}"
        advice = f"in a container, start it with --cap-add NET_ADMIN --device {system.TUN}"
    else:
        found = f"{system.TUN} can't be opened: {os.strerror(number)}"
        advice = _tun_advice(facts)
    if has_kernel_wireguard(facts):
        return could_do_with(name, found, _EVERYONE, advice)
    # What only an ordinary user may not open, the hub can, as root.
    only_for_root = number == errno.EACCES and not facts.privileges.root
    return lacks(name, found, LABS if only_for_root else _EVERYONE, advice)


def _tun_advice(facts: Facts) -> str:
    if facts.tun_errno == errno.EACCES:
        return as_root(facts, f"chmod 0666 {system.TUN}")
    if facts.tun_errno == errno.EPERM:
        return f"in a container, start it with --device {system.TUN}"
    return as_root(facts, "modprobe tun") + f"; in a container, start it with --device {system.TUN}"
