"""Certificates: proofs over all packets of a policy, and over all datagrams of a front door."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

import msgspec
from msgspec import Meta

from reports.fields import Count, Digest, Words

MOST_ENGINES, MOST_KINDS, MOST_WRONG, MOST_CLAIMS = 4, 96, 8, 16


class EngineRun(msgspec.Struct, frozen=True):
    """A program that computed a proof.

    Attributes:
        name: name of the engine.
        counted: number of parts that it made of the question.
        unit: name of these parts, such as classes of packets.
        seconds: seconds it took.
    """

    name: Words
    counted: Count
    unit: Words
    seconds: Annotated[float, Meta(ge=0)]


class Certificate(msgspec.Struct, frozen=True, tag_field="kind", tag="certificate"):
    """A proof over all packets that the kernel forwards what a policy allows, or the packets for which it does not.

    Attributes:
        name: the organization.
        machines: machines that the policy is about.
        rules: rules of the policy.
        policy: digest of the policy.
        ruleset: digest of the rules, routes and settings that were read back from the kernel.
        kernel: release of the kernel.
        engines: programs that computed it, which agree.
        kinds: kinds of statements and expressions in the rules. Each has a meaning in the proof.
        wrong: packets with a wrong fate and ways that lead elsewhere, the first of them; none proves the policy.
    """

    name: Words
    machines: Count
    rules: Count
    policy: Digest
    ruleset: Digest
    kernel: Words
    engines: Annotated[list[EngineRun], Meta(min_length=1, max_length=MOST_ENGINES)]
    kinds: Annotated[list[Words], Meta(max_length=MOST_KINDS)]
    wrong: Annotated[list[Words], Meta(max_length=MOST_WRONG)]

    @property
    def holds(self) -> bool:
        """True if the policy is proven."""
        return not self.wrong

    def numbers(self) -> Mapping[str, float]:
        """Returns the figures to compare by, by name."""
        of_engines = {f"{self.name}: {each.unit} ({each.name})": each.counted for each in self.engines}
        return {
            f"{self.name}: rules that are proven": self.rules if self.holds else 0,
            f"{self.name}: kinds of expressions": len(self.kinds),
            f"{self.name}: packets with a wrong fate": len(self.wrong),
            **of_engines,
        }


class DoorCertificate(msgspec.Struct, frozen=True, tag_field="kind", tag="door"):
    """A proof over all datagrams that a front door leads each to its own link or to none, or those it leads astray.

    Attributes:
        name: the front door's table.
        links, rules: numbers of organizations' links that it leads to, and of the table's rules.
        ruleset: digest of the rules and ports that were read back from the kernel.
        kernel: release of the kernel.
        engines: programs that computed it, which agree.
        claims: sentences that hold for every datagram, whatever the table's maps contain.
        kinds: kinds of statements and expressions in the rules. Each has a meaning in the proof.
        wrong: datagrams that contradict a claim and ports that lead elsewhere, the first of them; none proves it.
    """

    name: Words
    links: Count
    rules: Count
    ruleset: Digest
    kernel: Words
    engines: Annotated[list[EngineRun], Meta(min_length=1, max_length=MOST_ENGINES)]
    claims: Annotated[list[Words], Meta(min_length=1, max_length=MOST_CLAIMS)]
    kinds: Annotated[list[Words], Meta(max_length=MOST_KINDS)]
    wrong: Annotated[list[Words], Meta(max_length=MOST_WRONG)]

    @property
    def holds(self) -> bool:
        """True if every claim is proven."""
        return not self.wrong

    def numbers(self) -> Mapping[str, float]:
        """Returns the figures to compare by, by name."""
        return {
            "front door: claims that are proven": len(self.claims) if self.holds else 0,
            "front door: datagrams led astray": len(self.wrong),
        }
