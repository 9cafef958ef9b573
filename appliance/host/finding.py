"""One thing that a host offers or lacks, and the words for what to do."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from appliance.host.facts import Facts

UP, GATE, LAB, TEST, BENCH = "up", "gate", "lab", "test", "bench"
LABS = (GATE, LAB, TEST)
"""The commands that build labs."""


class State(Enum):
    """How a thing stands."""

    OK = "ok"
    MISSING = "missing"
    """Not here, and some command needs it."""
    OPTIONAL = "optional"
    """Not here, or not known to be; no command fails for that alone."""


@dataclass(frozen=True)
class Finding:
    """One thing.

    Attributes:
        id: stable, for programs.
        found: one line.
        needed_by: commands.
        advice: one line of what to do, a command where there is one; "" if there is nothing to do.
    """

    id: str
    state: State
    found: str
    needed_by: tuple[str, ...]
    advice: str = ""


def has(name: str, found: str, needed_by: tuple[str, ...]) -> Finding:
    """Something that is here."""
    return Finding(name, State.OK, found, needed_by)


def lacks(name: str, found: str, needed_by: tuple[str, ...], advice: str) -> Finding:
    """Something that a command needs and that is not here."""
    return Finding(name, State.MISSING, found, needed_by, advice)


def could_do_with(name: str, found: str, needed_by: tuple[str, ...], advice: str) -> Finding:
    """Something that is not here, and that every command can do without."""
    return Finding(name, State.OPTIONAL, found, needed_by, advice)


def untried(facts: Facts, name: str, needed_by: tuple[str, ...]) -> Finding:
    """Something that can't be seen without namespaces to try it in."""
    if facts.privileges.root:
        return could_do_with(name, "not tried, for want of a network namespace", needed_by, "")
    return could_do_with(name, "takes root to try", needed_by, "run meshwg doctor as root or with sudo")


def as_root(facts: Facts, command: str) -> str:
    """The command as this user has to type it."""
    return command if facts.privileges.root else f"sudo {command}"


def install(facts: Facts, package: str) -> str:
    """How to get a Debian package, or what it holds."""
    if facts.has_apt:
        return as_root(facts, f"apt-get install {package}")
    return f"install what Debian's package {package} holds"
