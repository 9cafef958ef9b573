"""Truth tables: probes between all machines, measured and compared with the reference model."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from harness.judging import table
from harness.judging.verdicts import Inconclusive, Refuted
from harness.overlay import icmp_errors
from harness.overlay.icmp_errors import QuotedConnection
from harness.overlay.machine import Machine
from harness.overlay.mesh import Mesh, Rule
from harness.overlay.prober import Measured, Prober
from harness.overlay.probes import Chooser, Probe
from harness.overlay.truth import PortProtocol, is_allowed, names
from reports import exhibits

_WRONG = "probes that did not follow the policy"
_MOST_LISTED = 8
_CONNECTIONS, _ERRORS = 3, 36
"""Connections that ICMP errors are about, and errors, in one table."""
_FEWEST_MACHINES = 3
"""Fewest machines for errors of a machine that is no end of a connection."""


@dataclass(frozen=True)
class Counted:
    """Number of probes in a table by the policy's verdict.

    Attributes:
        allowed: probes that had to arrive.
        denied: probes that could have opened a connection and must not arrive.
    """

    allowed: int
    denied: int


class Tables:
    """Truth tables of one organization, one after the other.

    Args:
        mesh: the organization.
        services: protocols and ports between all pairs; the tables add others.
        chance: draws the other probes.
        parts: number of tables that have all IP protocols and types of ICMP between them.
        prober: measures; None for packets between the machines.
    """

    def __init__(
        self,
        mesh: Mesh,
        services: Sequence[PortProtocol],
        chance: random.Random,
        parts: int = 1,
        prober: Prober | None = None,
    ) -> None:
        self._mesh = mesh
        self._services = tuple(services)
        self._chance = chance
        self._chooser = Chooser(chance, parts)
        self._prober = prober or Prober(mesh)

    def check(self, machines: Sequence[Machine]) -> Counted:
        """Measures a table under the mesh's policy, and compares it with the reference model.

        Machines also send ICMP errors about connections of each other, which must not be delivered.

        Raises:
            Refuted: probes, answers or errors differ; the message lists them and shows the table.
            Inconclusive: the table is empty.
        """
        mesh = self._mesh
        probes = self._chooser.probes(machines, self._services, mesh.rules)
        if not probes:
            raise Inconclusive("the table is empty")
        verdicts = _verdicts(probes, mesh.default, mesh.rules)
        expected = {probe: allowed for probe, allowed in verdicts.items() if probe.is_sound or not allowed}
        measured = self._prober.measure(expected)
        cells = _cells(expected, measured)
        mesh.record.table(mesh.describe_policy(mesh.default, mesh.rules), cells)
        wrong = [f"{probe}: {fault}" for probe, fault in _faults(expected, measured)]
        if wrong:
            raise Refuted(
                f"{len(wrong)} of {len(expected)} cells differ from the policy: {'; '.join(wrong[:_MOST_LISTED])}"
                f"\n{_shown(cells)}"
            )
        mesh.record.none_of(_WRONG, wrong, "cells differ from the policy", of=len(expected))
        if len(machines) >= _FEWEST_MACHINES:
            self._check_errors(machines, probes)
        allowed = sum(expected.values())
        return Counted(allowed, sum(probe.cell.service.opens for probe in expected) - allowed)

    def _check_errors(self, machines: Sequence[Machine], probes: Sequence[Probe]) -> None:
        # The hub remembers an answered datagram long enough for a slow machine to send errors about it.
        datagrams = [each for each in probes if each.cell.service.protocol == "udp"]
        some = self._chance.sample(datagrams, min(len(datagrams), _CONNECTIONS))
        tried = list(icmp_errors.about([QuotedConnection(each.cell, each.own) for each in some], machines))
        icmp_errors.judge(self._mesh, self._chance.sample(tried, min(len(tried), _ERRORS)))


def _verdicts(probes: Sequence[Probe], default: str, rules: Sequence[Rule]) -> dict[Probe, bool]:
    # Each pair has its own rules of a large policy, so that a probe costs no look at all of them.
    pairs = {(probe.cell.source, probe.cell.destination) for probe in probes}
    of_pair = {
        (source, destination): [
            rule for rule in rules if names(rule["source"], source) and names(rule["destination"], destination)
        ]
        for source, destination in pairs
    }
    return {
        probe: is_allowed(probe.cell, default, of_pair[probe.cell.source, probe.cell.destination]) for probe in probes
    }


def _faults(expected: Mapping[Probe, bool], measured: Measured) -> list[tuple[Probe, str]]:
    faults = []
    for probe, allowed in expected.items():
        if allowed is not (probe in measured.arrived):
            faults.append((probe, "did not arrive, though allowed" if allowed else "arrived, though denied"))
        elif probe.has_answer and allowed is not (probe in measured.answered):
            faults.append((probe, "its answer was dropped" if allowed else "an answer to it came back, though denied"))
    return faults


def _cells(expected: Mapping[Probe, bool], measured: Measured) -> dict[tuple[str, str, str], exhibits.Cell]:
    by_cell: dict[tuple[str, str, str], list[Probe]] = {}
    for probe, allowed in expected.items():
        column = f"{probe.column}, {'allowed' if allowed else 'denied'}" if probe.is_border else probe.column
        by_cell.setdefault((probe.cell.source.name, probe.cell.destination.name, column), []).append(probe)
    return {
        key: exhibits.Cell(expected[probes[0]], len(probes), sum(each in measured.arrived for each in probes))
        for key, probes in by_cell.items()
    }


def _shown(cells: Mapping[tuple[str, str, str], exhibits.Cell]) -> str:
    return table.render(
        {(f"{source}→{destination}", column): _words(cell) for (source, destination, column), cell in cells.items()}
    )


def _words(cell: exhibits.Cell) -> str:
    verdict = "allowed" if cell.allowed else "denied"
    return verdict if cell.is_right else f"{verdict.upper()}, {cell.arrived} OF {cell.sent} ARRIVED"
