"""Versions of a machine, and conditions by which nobody overwrites one that they have not seen."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection
from typing import Protocol

from appliance.model.errors import PreconditionFailed
from appliance.model.organization import Machine
from appliance.model.sentences import sentence


class Changeable(Protocol):
    """Properties of a machine that people can change, as it is stored or as it was answered."""

    @property
    def name(self) -> str: ...
    @property
    def public_key(self) -> str: ...
    @property
    def groups(self) -> Collection[str]: ...
    @property
    def enabled(self) -> bool: ...


Condition = Callable[[Machine], bool]
"""Tells whether a machine, as it is stored, is what the caller has seen."""


def version_of(machine: Changeable) -> str:
    """Make a digest that changes with what people change of a machine, and not with its traffic."""
    parts = (machine.name, machine.public_key, str(machine.enabled), *sorted(machine.groups))
    return hashlib.blake2b("\n".join(parts).encode(), digest_size=12).hexdigest()


def check_seen(machine: Machine, seen: Condition | None) -> None:
    """Raise `PreconditionFailed` unless the machine is what the caller has seen; None is no condition."""
    if seen is None or seen(machine):
        return
    raise PreconditionFailed(
        "Nothing was done, because somebody else has changed this machine meanwhile. It is called “{name}” "
        "now, its public key is {key}, and its groups are: {groups}.",
        name=machine.name,
        key=machine.public_key,
        groups=", ".join(machine.groups) or sentence("none"),
    )


def differences(before: Machine, after: Machine) -> dict[str, object]:
    """List the differences of two versions for the audit trail."""
    found: dict[str, object] = {
        "previous_name": before.name if before.name != after.name else "",
        "joined": sorted(set(after.groups) - set(before.groups)),
        "left": sorted(set(before.groups) - set(after.groups)),
    }
    kept = {key: value for key, value in found.items() if value}
    return kept if before.enabled == after.enabled else {**kept, "enabled": after.enabled}
