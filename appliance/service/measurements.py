"""Measurements of who reaches whom: the kernel's verdicts on packets, compared with the policy's."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import islice, product

from appliance.hub.errors import RulesTooLarge
from appliance.model.errors import Conflict, NotNow
from appliance.model.matrix import CellKind, Matrix, Party
from appliance.model.policy import Action
from appliance.model.probes import MOST_PROBES, MOST_RULE_BYTES, Probe, choose, services_of
from appliance.model.verdict import ConnectionEnd, decide
from appliance.service import policy as policies
from appliance.service.actor import Actor
from appliance.service.context import Context
from appliance.service.hub_calls import refused_as
from appliance.service.observed import is_online, statuses
from appliance.service.standing import organization_of

MOST_COMPARISONS = 200_000
"""Rules that verdicts are looked up in, over all probes: some tenths of a second."""
_MOST_PAIRS = 4
"""Pairs of machines that stand for a cell."""

Axes = Callable[[Matrix], tuple[Sequence[Party], Sequence[Party]]]


@dataclass(frozen=True)
class ProbedCell:
    """Packets that stand for a cell of the matrix.

    Attributes:
        passed, dropped: numbers of packets.
        differing: probes with another verdict than the policy's.
    """

    passed: int
    dropped: int
    differing: tuple[Probe, ...]


@dataclass(frozen=True)
class Measurement:
    """Result of a measurement.

    Attributes:
        at: time of the end.
        packets: number of packets.
        rows: as of the matrix; None for cells without a packet.
        offline: ids of the machines in it that are not connected now.
        machines: number of the machines in it.
    """

    at: datetime
    packets: int
    rows: tuple[tuple[ProbedCell | None, ...], ...]
    offline: frozenset[str]
    machines: int

    @property
    def differing(self) -> list[Probe]:
        """Probes with another verdict than the policy's."""
        return [probe for row in self.rows for cell in row if cell is not None for probe in cell.differing]


def measure(context: Context, actor: Actor, axes: Axes) -> Measurement:
    """Send packets through a copy of the rules in force; nothing reaches a machine, and nothing is counted.

    Args:
        axes: chooses the rows and columns of the matrix to measure.

    Raises:
        NotFound: the organization is gone.
        TooMuchWork: the policy is too large for a matrix.
        Conflict: the policy or a machine was changed meanwhile, or the rules are too large to be copied.
        TooMany: another measurement of the organization is running, or too many of all.
        NotNow: the hub could not measure.
    """
    actor.must_change()
    revision = _revision(context, actor)
    _, state = policies.enforced(context, actor)
    ends = {peer.id: ConnectionEnd(peer.id, peer.groups) for peer in state.peers}
    matrix = Matrix(state.policy, list(ends.values()))
    sources, destinations = axes(matrix)
    most = min(MOST_PROBES, MOST_COMPARISONS // (1 + len(state.policy.rules)))
    rows = _probes(matrix, sources, destinations, most)
    probes = [probe for row in rows for cell in row for probe in cell]
    passed = dict(zip(probes, _forwarded(context, actor, probes), strict=True))
    if _revision(context, actor) != revision:
        raise Conflict("The policy or a machine was changed while it was measured. Measure again.")

    def expected(probe: Probe) -> bool:
        verdict = decide(state.policy, ends[probe.source], ends[probe.destination], probe.protocol, probe.port or None)
        return verdict.action is Action.ALLOW

    machines = {end for probe in probes for end in (probe.source, probe.destination)}
    known, now = statuses(context, actor), context.clock()
    return Measurement(
        now,
        len(probes),
        tuple(tuple(_cell(cell, passed, expected) if cell else None for cell in row) for row in rows),
        frozenset(
            peer.id
            for peer in state.peers
            if peer.id in machines and not is_online(known.get(peer.public_key), now.timestamp())
        ),
        len(machines),
    )


def _revision(context: Context, actor: Actor) -> int:
    with context.store.read() as transaction:
        return organization_of(transaction, actor).revision


def _probes(
    matrix: Matrix, sources: Sequence[Party], destinations: Sequence[Party], most: int
) -> list[list[list[Probe]]]:
    """Choose the probes of each cell, so that together there are at most that many, all different."""
    cells = matrix.rows(sources, destinations)
    share, left = max(1, most // max(1, len(sources) * len(destinations))), most
    chosen: set[Probe] = set()
    rows: list[list[list[Probe]]] = []
    for source, row in zip(sources, cells, strict=True):
        rows.append([])
        for destination, cell in zip(destinations, row, strict=True):
            found: list[Probe] = []
            if cell.kind is not CellKind.SKIPPED:
                pairs = list(islice(_pairs(matrix, source, destination), _MOST_PAIRS))
                found = [
                    each for each in choose(pairs, list(services_of(cell)), min(share, left)) if each not in chosen
                ]
            chosen.update(found)
            left -= len(found)
            rows[-1].append(found)
    return rows


def _pairs(matrix: Matrix, source: Party, destination: Party) -> Iterator[tuple[str, str]]:
    """Yield pairs of different machines, one for each two classes of machines."""
    for one, other in product(matrix.split(source), matrix.split(destination)):
        pair = next(((a, b) for a in one.ids[:2] for b in other.ids[:2] if a != b), None)
        if pair is not None:
            yield pair


def _forwarded(context: Context, actor: Actor, probes: Sequence[Probe]) -> Sequence[bool]:
    with refused_as(NotNow("The hub could not measure the policy: it is being changed or repaired.")):
        try:
            return context.hub.measure(actor.organization_id, probes)
        except RulesTooLarge as error:
            raise Conflict(
                "The kernel needs more than {size} MiB for the rules of this policy, which is too much to measure a "
                "copy. Rules between groups that share machines need the most.",
                size=MOST_RULE_BYTES >> 20,
            ) from error


def _cell(probes: Sequence[Probe], passed: Mapping[Probe, bool], expected: Callable[[Probe], bool]) -> ProbedCell:
    through = sum(passed[each] for each in probes)
    differing = tuple(each for each in probes if passed[each] != expected(each))
    return ProbedCell(through, len(probes) - through, differing)
