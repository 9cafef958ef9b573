"""Words of a measurement: what packets did, and where the kernel differs from the policy."""

from __future__ import annotations

from dataclasses import dataclass

from appliance.service import policy as policies
from appliance.service.measurements import Measurement
from appliance.web.pages import words
from appliance.web.pages.routes import Visit

MOST_DIFFERENCES = 20
"""Packets that the page of a measurement lists."""


@dataclass(frozen=True)
class Difference:
    """A packet that the kernel treats in another way than the policy says; all in words."""

    source: str
    destination: str
    packet: str


@dataclass(frozen=True)
class ToldMeasurement:
    """A measurement as the page tells it.

    Attributes:
        differing: number of packets that the kernel treats in another way than the policy says.
        differences: the first of them.
    """

    measured: Measurement
    differences: list[Difference]
    differing: int


def told(visit: Visit, measured: Measurement | None) -> ToldMeasurement | None:
    """Put a measurement into words, with the names of the machines; None if there is none."""
    if measured is None:
        return None
    differing = measured.differing
    shown = differing[:MOST_DIFFERENCES]
    names = policies.names_of(
        visit.context, visit.actor, {end for each in shown for end in (each.source, each.destination)}
    )
    return ToldMeasurement(
        measured,
        [
            Difference(words.machine(each.source, names), words.machine(each.destination, names), words.probe(each))
            for each in shown
        ],
        len(differing),
    )
