"""From facts to findings and verdicts: pure."""

from __future__ import annotations

from dataclasses import dataclass

from appliance.host import parts, rights, wireguard
from appliance.host.facts import Facts
from appliance.host.finding import GATE, UP, Finding, State
from appliance.host.wireguard import Chosen


@dataclass(frozen=True)
class Diagnosis:
    """What a host can do.

    A command can run here when nothing that it needs is missing, so findings and verdicts can't disagree.

    Attributes:
        root: whether root asks.
        chosen: the WireGuard that ``--wireguard auto`` comes to.
        rootless: whether labs, and so the gate, need no root.
        findings: in an order that reads well.
    """

    distribution: str
    kernel: str
    root: bool
    chosen: Chosen | None
    rootless: bool
    findings: tuple[Finding, ...]

    @property
    def up(self) -> bool:
        """Whether the hub can run here, started by this user."""
        return not self.missing(UP)

    @property
    def gate(self) -> bool:
        """Whether the gate can run here, started by this user."""
        return not self.missing(GATE)

    @property
    def is_root_all_that_up_lacks(self) -> bool:
        """Whether the hub could run here if it were started by root."""
        return not self.root and [each.id for each in self.missing(UP)] == [rights.PRIVILEGES]

    def missing(self, command: str) -> tuple[Finding, ...]:
        """What keeps a command from running."""
        return tuple(each for each in self.findings if each.state is State.MISSING and command in each.needed_by)


def diagnose(facts: Facts) -> Diagnosis:
    """What these facts come to."""
    return Diagnosis(
        distribution=facts.distribution,
        kernel=facts.kernel,
        root=facts.privileges.root,
        chosen=wireguard.choose(facts),
        rootless=rights.is_rootless(facts),
        findings=(*rights.findings(facts), *wireguard.findings(facts), *parts.findings(facts)),
    )
