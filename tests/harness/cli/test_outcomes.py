"""Outcomes of proofs: what is printed, and the exit code."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Network
from pathlib import Path

import pytest
from rich.console import Console

from harness.cli.outcomes import exit_code, show_door, show_outcome, show_summary
from harness.proof import FailClosed, Policy, Proof
from harness.proof.atoms import Fate
from harness.proof.damage import Deletion
from harness.proof.fail_closed import Opening
from harness.proof.fields import Flow
from harness.proof.front_door.replay.comparing import DoorComparison
from harness.proof.replay.capturing import Shown, Sight
from harness.proof.replay.comparing import Comparison
from harness.proof.words import Counterexample
from harness.world.doorproving import DoorProven
from harness.world.organizations import Organization
from harness.world.proving import Failure, Proven

ACME = Organization("aaaaaaaaaa", "acme \x1b[2J", 7, Policy(IPv4Network("10.100.0.0/24"), (), "deny", []), {})
_PROOF = Proof("f" * 64, "6.1.0", "atoms", 40, [], 0.25)
PROVEN = Proven(ACME, "mw-aaaaaaaaaa", (_PROOF,), (), ("ct state",))
REFUTED = Proven(ACME, "mw-aaaaaaaaaa", (_PROOF,), ("the link out (veth) leads elsewhere",), ())
_PACKET = Counterexample("tcp to port 22", "new", "forwarded", "dropped: the policy denies it", ("allow",), {})
_CLOSED = FailClosed({"rule": 90, "chain": 12}, {"chain": 7}, 0, 80, (), 0.8)
STAYS_CLOSED = replace(PROVEN, damage=_CLOSED)
_FLUSH = Deletion("chain", "nft flush chain ip x y", frozenset())
OPENS = replace(
    PROVEN,
    damage=replace(_CLOSED, openings=(Opening((_FLUSH,), _PACKET),)),
    opened=(Shown(Sight.AS_COMPUTED, "a real packet passes", Path("/tmp/x/a-damaged-1.pcapng")),),
)
SHOWN = replace(
    PROVEN,
    proofs=(replace(_PROOF, counterexamples=[_PACKET]),),
    shown=(Shown(Sight.AS_COMPUTED, "a real packet is forwarded", Path("/tmp/x/a-1.pcapng")),),
)
_MISTAKEN = (Shown(Sight.CONTRADICTION, "it is dropped"),)
MISTAKEN = (replace(OPENS, shown=_MISTAKEN), replace(OPENS, opened=_MISTAKEN))
_COMPARED = Comparison(40, 10, {(Flow.NEW, Fate.DROPPED): 9}, 0, {"beyond a rate": 1}, ())
SENT = replace(PROVEN, compared=_COMPARED)
CONTRADICTED = replace(PROVEN, compared=replace(_COMPARED, wrong=("tcp, new: computed dropped, but …",)))
DOOR = DoorProven("mwdoor", (replace(_PROOF, engine="classes"), replace(_PROOF, engine="z3")), (), ("map",), 2, 60)
ASTRAY = replace(DOOR, strays=("the front door leads to port 7, which is no organization's",))
_SENT = DoorComparison(900, 40, {("output", True): 39}, {"an address that no host has": 1}, ())
DOOR_SENT = replace(DOOR, compared=_SENT)
DOOR_SHOWN = replace(
    DOOR,
    proofs=(DOOR.proofs[0], replace(DOOR.proofs[1], counterexamples=[_PACKET])),
    shown=(Shown(Sight.AS_COMPUTED, "a real datagram is dropped", Path("/tmp/x/front-door-1.pcapng")),),
)
DOOR_CONTRADICTED = replace(DOOR, compared=replace(_SENT, wrong=("data message: it passes",)))
DOOR_MISTAKEN = replace(DOOR_SHOWN, shown=_MISTAKEN)
UNKNOWN = Failure(ACME, "a chain of type nat has no meaning in the proof (table ip x)")


@pytest.mark.parametrize(
    ("outcomes", "code"),
    [
        ([], 0),
        ([PROVEN], 0),
        ([PROVEN, UNKNOWN], 69),
        ([UNKNOWN, REFUTED], 1),
        ([PROVEN, REFUTED], 1),
        ([STAYS_CLOSED], 0),
        ([STAYS_CLOSED, OPENS], 1),
        ([SHOWN, SENT], 1),
        ([SENT], 0),
        ([REFUTED, CONTRADICTED], 70),
        ([MISTAKEN[0]], 70),
        ([REFUTED, MISTAKEN[1]], 70),
    ],
)
def test_the_exit_code_is_that_of_the_worst_outcome(outcomes: list[Proven | Failure], code: int) -> None:
    assert exit_code(outcomes, DOOR) == code


def test_outcomes_are_printed_without_control_characters() -> None:
    console = Console(record=True, width=200)
    outcomes: list[Proven | Failure] = [PROVEN, REFUTED, UNKNOWN, STAYS_CLOSED, OPENS, SHOWN, SENT, CONTRADICTED]
    for each in outcomes:
        show_outcome(each, console)
    show_summary(outcomes, console)
    shown = console.export_text()
    assert "\x1b" not in shown
    for part in (
        "in the namespace mw-aaaaaaaaaa",
        "version 7",
        "proven: the kernel forwards exactly what the policy allows",
        "refuted: the kernel does not do what the policy says",
        "the link out (veth) leads elsewhere",
        "not proven: a chain of type nat has no meaning",
        "102: 90 of rules, 12 of chains",
        "7 deletions refused by the kernel",
        "proven: whatever is deleted, nothing passes that the policy denies",
        "refuted: a deletion lets packets pass that the policy denies",
        "after nft flush chain ip x y:",
        "a real packet is forwarded\n  capture: /tmp/x/a-1.pcapng",
        "a real packet passes\n  capture: /tmp/x/a-damaged-1.pcapng",
        "packets       9 sent, of 10 pairs of a class and a state",
        "1 not sent: beyond a rate",
        "each has the fate that was computed",
        "the computation is wrong about 1 packet",
        "proven: 3 of 8",
    ):
        assert part in shown


@pytest.mark.parametrize(
    ("door", "code"),
    [
        (DOOR, 0),
        (DOOR_SENT, 0),
        (ASTRAY, 1),
        (DOOR_SHOWN, 1),
        (DOOR_CONTRADICTED, 70),
        (DOOR_MISTAKEN, 70),
        ("two front doors", 69),
    ],
)
def test_the_front_door_counts(door: DoorProven | str, code: int) -> None:
    assert exit_code([PROVEN], door) == code


def test_a_front_door_is_told_of() -> None:
    console = Console(record=True, width=200)
    for each in (DOOR, ASTRAY, DOOR_SENT, DOOR_SHOWN, DOOR_CONTRADICTED, "a host with 0 front doors \x1b[2J"):
        show_door(each, console)
    shown = console.export_text()
    assert "\x1b" not in shown
    for part in (
        "table mwdoor, 2 links, 60 rules",
        "classes: 40 classes of datagrams and contents",
        "proven: the front door leads each datagram to its own link or to none",
        "refuted: the front door leads a datagram astray",
        "port 7, which is no organization's",
        "not proven: a host with 0 front doors",
        "datagrams     39 sent, of 40 classes of datagrams and contents",
        "1 not sent: an address that no host has",
        "a real datagram is dropped\n  capture: /tmp/x/front-door-1.pcapng",
        "not proven: real datagrams have another fate than was computed",
        "the computation is wrong about 1 packet",
    ):
        assert part in shown
