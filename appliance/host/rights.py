"""What this user may do here, and what an ordinary one may."""

from __future__ import annotations

import errno
from collections.abc import Iterator

from appliance.host import inside, system
from appliance.host.facts import Facts, Trial
from appliance.host.finding import LABS, UP, Finding, as_root, could_do_with, has, lacks, untried
from appliance.host.wireguard import has_kernel_wireguard

PRIVILEGES = "privileges"

_PRIVILEGED = "run outside of a container, or in one that was started with --privileged"
# What makes user namespaces impossible, and what makes them possible again.
_USERNS_REMEDIES = (
    (system.USERNS_CLONE, "0", "1"),
    (system.MAX_USERNS, "0", "15000"),
    (system.APPARMOR_USERNS, "1", "0"),
)


def findings(facts: Facts) -> Iterator[Finding]:
    """Privileges, namespaces and their settings, sandboxes with and without root."""
    yield _privileges(facts)
    yield _namespaces(facts)
    yield _settings(facts)
    yield _sandbox(facts)
    yield _rootless(facts)


def is_rootless(facts: Facts) -> bool:
    """Whether a user without privileges can have labs here."""
    return facts.ordinary is not None and _rootless_complaint(facts.ordinary, facts) == ""


def _privileges(facts: Facts) -> Finding:
    if not facts.privileges.root:
        return lacks(PRIVILEGES, "not root", (UP,), "run as root or with sudo")
    if facts.privileges.lacking:
        found = f"root without {' and '.join(facts.privileges.lacking)}"
        capabilities = " ".join(f"--cap-add {name.removeprefix('CAP_')}" for name in facts.privileges.lacking)
        return lacks(PRIVILEGES, found, (UP,), f"run outside of a container, or start it with {capabilities}")
    return has(PRIVILEGES, "root, with CAP_NET_ADMIN and CAP_SYS_ADMIN", (UP,))


def _namespaces(facts: Facts) -> Finding:
    name = "network-namespaces"
    complaint = facts.own.first_complaint((inside.NAMESPACES, inside.MOUNTS))
    if not complaint:
        return has(name, "can be made and named", (UP, *LABS))
    if not facts.privileges.root:
        return untried(facts, name, (UP, *LABS))
    return lacks(name, f"can't be made and named: {complaint}", (UP, *LABS), _PRIVILEGED)


def _settings(facts: Facts) -> Finding:
    name = "kernel-settings"
    if facts.own.works(inside.SETTINGS):
        return has(name, "a network of the hub's can have its own", (UP,))
    if not facts.own.tried(inside.SETTINGS) or not facts.privileges.root:
        return untried(facts, name, (UP,))
    found = f"{system.SETTINGS} can't be written: {facts.own.complaints[inside.SETTINGS]}"
    return lacks(
        name, found, (UP,), "run outside of a container, or start it with --security-opt systempaths=unconfined"
    )


def _sandbox(facts: Facts) -> Finding:
    name = "sandbox"
    complaint = facts.own.sandbox_complaint
    if not complaint:
        return has(name, "processes, mounts and network of their own", LABS)
    advice = _PRIVILEGED if facts.privileges.root else "run as root or with sudo"
    return lacks(name, f"there can be none: {complaint}", LABS, advice)


def _rootless(facts: Facts) -> Finding:
    name = "rootless"
    if facts.ordinary is None:
        advice = "run meshwg doctor as an ordinary user"
        return could_do_with(name, "not known, as this root can't become an ordinary user to try", LABS, advice)
    complaint = _rootless_complaint(facts.ordinary, facts)
    if not complaint:
        return has(name, "labs need no root here", LABS)
    advice = _rootless_advice(facts.ordinary, facts)
    return could_do_with(name, f"labs need root here, because of {complaint}", LABS, advice)


def _rootless_complaint(ordinary: Trial, facts: Facts) -> str:
    if ordinary.sandbox_complaint:
        return f"user namespaces: {ordinary.sandbox_complaint}"
    if has_kernel_wireguard(facts) or ordinary.works(inside.TUN):
        return ""
    return f"{system.TUN}: {ordinary.first_complaint((inside.TUN,))}"


def _rootless_advice(ordinary: Trial, facts: Facts) -> str:
    if ordinary.sandbox_complaint:
        for name, forbids, allows in _USERNS_REMEDIES:
            if facts.settings.get(name) == forbids:
                return as_root(facts, f"sysctl -w {name}={allows}")
        return "run outside of a container, or in one whose seccomp profile and /proc allow user namespaces"
    # The device is there for root; who has no right to it needs one.
    return as_root(facts, f"chmod 0666 {system.TUN}" if facts.tun_errno in (0, errno.EACCES) else "modprobe tun")
