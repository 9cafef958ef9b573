"""Findings about privileges of this user and of ordinary users."""

from __future__ import annotations

import errno
from collections.abc import Iterator

from appliance.host import system, trial_program
from appliance.host.facts import Facts, Trial
from appliance.host.finding import LABS, UP, Finding, as_root, missing, optional, present, untried
from appliance.host.wireguard import has_kernel_wireguard

PRIVILEGES = "privileges"

_PRIVILEGED = "run outside of a container, or in one that was started with --privileged"
# Setting, value that forbids user namespaces, value that allows them.
_USERNS_REMEDIES = (
    (system.USERNS_CLONE, "0", "1"),
    (system.MAX_USERNS, "0", "15000"),
    (system.APPARMOR_USERNS, "1", "0"),
)


def findings(facts: Facts) -> Iterator[Finding]:
    """Findings about privileges, namespaces and their settings, and sandboxes with and without root."""
    yield _privileges(facts)
    yield _namespaces(facts)
    yield _settings(facts)
    yield _sandbox(facts)
    yield _rootless(facts)


def is_rootless(facts: Facts) -> bool:
    """True if users without privileges can have labs here."""
    return facts.ordinary is not None and _rootless_error(facts.ordinary, facts) == ""


def _privileges(facts: Facts) -> Finding:
    if not facts.privileges.root:
        return missing(PRIVILEGES, "not root", (UP,), "run as root or with sudo")
    if facts.privileges.lacking:
        found = f"root without {' and '.join(facts.privileges.lacking)}"
        capabilities = " ".join(f"--cap-add {name.removeprefix('CAP_')}" for name in facts.privileges.lacking)
        return missing(PRIVILEGES, found, (UP,), f"run outside of a container, or start it with {capabilities}")
    return present(PRIVILEGES, "root, with CAP_NET_ADMIN and CAP_SYS_ADMIN", (UP,))


def _namespaces(facts: Facts) -> Finding:
    name = "network-namespaces"
    error = facts.own.first_error((trial_program.NAMESPACES, trial_program.MOUNTS))
    if not error:
        return present(name, "can be created and named", (UP, *LABS))
    if not facts.privileges.root:
        return untried(facts, name, (UP, *LABS))
    return missing(name, f"can't be created and named: {error}", (UP, *LABS), _PRIVILEGED)


def _settings(facts: Facts) -> Finding:
    name = "kernel-settings"
    if facts.own.works(trial_program.SETTINGS):
        return present(name, "can be set in the hub's network namespaces", (UP,))
    if not facts.own.tried(trial_program.SETTINGS) or not facts.privileges.root:
        return untried(facts, name, (UP,))
    found = f"{system.SETTINGS} can't be written: {facts.own.errors[trial_program.SETTINGS]}"
    return missing(
        name, found, (UP,), "run outside of a container, or start it with --security-opt systempaths=unconfined"
    )


def _sandbox(facts: Facts) -> Finding:
    name = "sandbox"
    error = facts.own.sandbox_error
    if not error:
        return present(name, "labs can have their own processes, mounts and network", LABS)
    advice = _PRIVILEGED if facts.privileges.root else "run as root or with sudo"
    return missing(name, f"can't be created: {error}", LABS, advice)


def _rootless(facts: Facts) -> Finding:
    name = "rootless"
    if facts.ordinary is None:
        advice = "run meshwg doctor as an ordinary user"
        return optional(name, "not tried: this process can't become an ordinary user", LABS, advice)
    error = _rootless_error(facts.ordinary, facts)
    if not error:
        return present(name, "labs need no root here", LABS)
    advice = _rootless_advice(facts.ordinary, facts)
    return optional(name, f"labs need root here, because of {error}", LABS, advice)


def _rootless_error(ordinary: Trial, facts: Facts) -> str:
    if ordinary.sandbox_error:
        return f"user namespaces: {ordinary.sandbox_error}"
    if has_kernel_wireguard(facts) or ordinary.works(trial_program.TUN):
        return ""
    return f"{system.TUN}: {ordinary.first_error((trial_program.TUN,))}"


def _rootless_advice(ordinary: Trial, facts: Facts) -> str:
    if ordinary.sandbox_error:
        for name, forbids, allows in _USERNS_REMEDIES:
            if facts.settings.get(name) == forbids:
                return as_root(facts, f"sysctl -w {name}={allows}")
        return "run outside of a container, or in one whose seccomp profile and /proc allow user namespaces"
    # Without an error, or with EACCES, the device exists, and an ordinary user only lacks the right to open it.
    return as_root(facts, f"chmod 0666 {system.TUN}" if facts.tun_errno in (0, errno.EACCES) else "modprobe tun")
