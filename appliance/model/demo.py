"""Demonstration: the machines of its organization, and the streams between them, each with a rule of its own."""

from __future__ import annotations

from dataclasses import dataclass

from appliance.model.policy import Protocol

ORGANIZATION = "demo000000"
"""Id of the demonstration's organization. No drawn id has a vowel or a 0 (`ids`)."""
NAME = "Demonstration"
MACHINES = ("laptop-asha", "branch-pune", "database")
"""Names of its machines."""


@dataclass(frozen=True)
class DemoStream:
    """A steady stream of packets from one machine to another.

    Attributes:
        rule: id of the rule that decides about the stream, and about nothing else.
        source, destination: names of machines.
        port: the destination's.
    """

    rule: str
    source: str
    destination: str
    protocol: Protocol
    port: int


STREAMS = (
    DemoStream("demo00000001", "laptop-asha", "database", Protocol.TCP, 5432),
    DemoStream("demo00000002", "branch-pune", "database", Protocol.UDP, 514),
    DemoStream("demo00000003", "branch-pune", "laptop-asha", Protocol.TCP, 22),
)
"""All streams; the lab (`meshwg.demo`) sends them, whether the rules let them pass or not."""
