"""Measurements of who reaches whom: bounded, all packets different, and never compared with another policy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from appliance.model.errors import Conflict, Forbidden
from appliance.model.matrix import Matrix, Party
from appliance.model.organization import Plan, Role
from appliance.model.policy import Action, Policy, Rule
from appliance.model.probes import MOST_PROBES, Probe
from appliance.service import Actor, Context, machines, measurements, organizations
from appliance.service import policy as policies
from tests.appliance.fakes import FakeHub

Parties = tuple[Sequence[Party], Sequence[Party]]


def everything(matrix: Matrix) -> Parties:
    return matrix.parties, matrix.parties


@pytest.fixture
def ids(context: Context, owner: Actor) -> list[str]:
    organizations.change(context, owner, plan=Plan.PAID.value)
    return [machines.add(context, owner, name=f"machine-{number}").machine.id for number in range(12)]


def deny(context: Context, owner: Actor, *rules: tuple[str, str, str]) -> None:
    made = tuple(
        Rule.parse(action="deny", source=source, destination=destination, protocol="tcp", ports=ports)
        for source, destination, ports in rules
    )
    policies.save(context, owner, Policy(Action.ALLOW, made))


def test_probes_are_bounded_and_different(context: Context, owner: Actor, ids: list[str], hub: FakeHub) -> None:
    seen: list[Probe] = []
    ask = hub.measure

    def note(organization: str, probes: Sequence[Probe]) -> Sequence[bool]:
        seen.extend(probes)
        return ask(organization, probes)

    hub.measure = note  # type: ignore[method-assign]
    ends = [(f"machine:{one}", f"machine:{other}") for one in ids for other in ids if one != other]
    deny(context, owner, *((*pair, "1,3,5,7,9,11") for pair in ends))
    found = measurements.measure(context, owner, everything)
    assert len(seen) == len(set(seen)) == found.packets
    assert found.packets <= min(MOST_PROBES, measurements.MOST_COMPARISONS // len(ends))
    assert not found.differing
    cells = [cell for at, row in enumerate(found.rows) for other, cell in enumerate(row) if at != other]
    assert all(cell is not None and cell.passed + cell.dropped for cell in cells)
    assert found.machines == len(ids)


def test_what_was_changed_meanwhile_is_not_compared(
    context: Context, owner: Actor, ids: list[str], hub: FakeHub
) -> None:
    ask = hub.measure

    def save(organization: str, probes: Sequence[Probe]) -> Sequence[bool]:
        deny(context, owner, (f"machine:{ids[0]}", "any", "22"))
        return ask(organization, probes)

    hub.measure = save  # type: ignore[method-assign]
    with pytest.raises(Conflict):
        measurements.measure(context, owner, everything)
    hub.measure = ask  # type: ignore[method-assign]
    assert not measurements.measure(context, owner, everything).differing


def test_what_differs_is_in_its_cell(context: Context, owner: Actor, ids: list[str], hub: FakeHub) -> None:
    deny(context, owner, (f"machine:{ids[0]}", f"machine:{ids[1]}", "22"))
    hub.is_damaged = True
    found = measurements.measure(context, owner, everything)
    assert len(found.differing) == found.packets
    cell = found.rows[0][1]
    assert cell is not None
    assert {(each.source, each.destination) for each in cell.differing} == {(ids[0], ids[1])}


def test_a_viewer_does_not_measure(context: Context, owner: Actor) -> None:
    with pytest.raises(Forbidden):
        measurements.measure(context, replace(owner, role=Role.VIEWER), everything)
