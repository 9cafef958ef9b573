"""Pure conversion of facts into findings and verdicts."""

from __future__ import annotations

from dataclasses import dataclass

from appliance.host import parts, rights, wireguard
from appliance.host.facts import Facts
from appliance.host.finding import GATE, UP, Finding, FindingState
from appliance.host.wireguard import WireGuardChoice


@dataclass(frozen=True)
class Diagnosis:
    """Findings about a host, and verdicts about commands.

    A command can run if no finding that it needs is missing, so findings and verdicts can't disagree.

    Attributes:
        root: true if the process ran as root.
        chosen: the implementation that ``--wireguard auto`` chooses.
        rootless: true if labs, and so the gate, need no root.
        findings: in the order of display.
    """

    distribution: str
    kernel: str
    root: bool
    chosen: WireGuardChoice | None
    rootless: bool
    findings: tuple[Finding, ...]

    @property
    def up(self) -> bool:
        """True if this user can run the hub here."""
        return not self.missing(UP)

    @property
    def gate(self) -> bool:
        """True if this user can run the gate here."""
        return not self.missing(GATE)

    @property
    def up_lacks_only_root(self) -> bool:
        """True if root is all that the hub lacks here."""
        return not self.root and [each.id for each in self.missing(UP)] == [rights.PRIVILEGES]

    def missing(self, command: str) -> tuple[Finding, ...]:
        """Findings that prevent a command from running."""
        return tuple(each for each in self.findings if each.state is FindingState.MISSING and command in each.needed_by)


def diagnose(facts: Facts) -> Diagnosis:
    return Diagnosis(
        distribution=facts.distribution,
        kernel=facts.kernel,
        root=facts.privileges.root,
        chosen=wireguard.choose(facts),
        rootless=rights.is_rootless(facts),
        findings=(*rights.findings(facts), *wireguard.findings(facts), *parts.findings(facts)),
    )
