"""Findings about a host, with advice."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from appliance.host.facts import Facts

UP, GATE, LAB, TEST, BENCH = "up", "gate", "lab", "test", "bench"
LABS = (GATE, LAB, TEST)
"""The commands that build labs."""


class FindingState(Enum):
    """State of a feature on a host."""

    OK = "ok"
    MISSING = "missing"
    """Absent, and a command needs it."""
    OPTIONAL = "optional"
    """Absent or unknown, and no command needs it."""


@dataclass(frozen=True)
class Finding:
    """A finding about one feature of a host.

    Attributes:
        id: stable, for programs.
        found: one line.
        needed_by: commands.
        advice: one line, if possible a command; "" if there is nothing to do.
    """

    id: str
    state: FindingState
    found: str
    needed_by: tuple[str, ...]
    advice: str = ""


def present(name: str, found: str, needed_by: tuple[str, ...]) -> Finding:
    """Finding of a feature that the host has."""
    return Finding(name, FindingState.OK, found, needed_by)


def missing(name: str, found: str, needed_by: tuple[str, ...], advice: str) -> Finding:
    """Finding of an absent feature that a command needs."""
    return Finding(name, FindingState.MISSING, found, needed_by, advice)


def optional(name: str, found: str, needed_by: tuple[str, ...], advice: str) -> Finding:
    """Finding of an absent or unknown feature that no command needs."""
    return Finding(name, FindingState.OPTIONAL, found, needed_by, advice)


def untried(facts: Facts, name: str, needed_by: tuple[str, ...]) -> Finding:
    """Finding of a feature that can't be tried without namespaces."""
    if facts.privileges.root:
        return optional(name, "not tried: there is no network namespace", needed_by, "")
    return optional(name, "takes root to try", needed_by, "run meshwg doctor as root or with sudo")


def as_root(facts: Facts, command: str) -> str:
    """The command, with sudo unless this user is root."""
    return command if facts.privileges.root else f"sudo {command}"


def install(facts: Facts, package: str) -> str:
    """Advice to install a Debian package or its counterpart."""
    if facts.has_apt:
        return as_root(facts, f"apt-get install {package}")
    return f"install the counterpart of Debian's package {package}"
