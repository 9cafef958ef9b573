"""Real datagrams through copies of front doors, beside their computed fates."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from scapy.layers.inet import IP, UDP
from scapy.utils import PcapNgReader

from harness.proof.choice import Unreachable
from harness.proof.front_door import Claim, prove_door
from harness.proof.front_door.cases import Case
from harness.proof.front_door.datagrams import ONE, Element
from harness.proof.front_door.enumeration import cases
from harness.proof.front_door.replay import replaying
from harness.proof.front_door.replay.comparing import compare_door, compare_door_wrongly
from harness.proof.front_door.replay.replaying import Replay, differences, replay
from harness.proof.front_door.replay.showing import show_door
from harness.proof.front_door.words import DoorExample, described
from harness.proof.replay.capturing import Sight
from harness.proof.replay.errors import Unreplayable
from tests.harness.proof.front_door.doors import Doorway
from tests.harness.proof.front_door.test_door_proof import FAULTS, KNOW
from tests.harness.proof.test_replay import comment

pytestmark = pytest.mark.long

# As many as this command's time allows; `meshwg prove --packets` sends all.
SAMPLE = 150
RATED = ("begun_of", "known_of")


@pytest.mark.parametrize(("old", "new", "claim"), FAULTS)
def test_a_wrong_front_door_is_refuted_by_real_datagrams(
    doorway: Doorway, old: str, new: str, claim: Claim, tmp_path: Path
) -> None:
    doorway.load((old, new))
    reading = doorway.read()
    by_classes, by_z3 = prove_door(reading)
    refuted = {each.wanted for each in by_z3.counterexamples}
    assert claim.value in refuted
    assert {each.wanted for each in by_classes.counterexamples} <= refuted
    examples = [*by_classes.counterexamples, *by_z3.counterexamples]
    for example, shown in zip(examples, show_door(reading, examples, tmp_path, "door"), strict=True):
        assert shown.sight is Sight.AS_COMPUTED, (str(example), shown.says)
        assert shown.file is not None
        with PcapNgReader(str(shown.file)) as packets:
            first = comment(next(iter(packets)))
        assert str(example) in first
        assert shown.says in first


def test_one_datagram_of_each_class(doorway: Doorway) -> None:
    doorway.load()
    compared = compare_door(doorway.read(), 1, SAMPLE)
    assert not compared.wrong, "\n".join(compared.wrong)
    assert compared.agreed + sum(compared.unreached.values()) == compared.chosen == SAMPLE
    assert compared.agreed > 0.8 * SAMPLE
    assert set(compared.fates) >= {("prerouting", True), ("prerouting", False), ("output", True)}


def test_rates_and_full_sets_are_brought_about(doorway: Doorway) -> None:
    """Some of each rule with a rate that a datagram is beyond, and of each set that has no room for one."""
    doorway.load()
    reading = doorway.read()
    by_kind: dict[object, list[Case]] = {}
    for case in cases(reading.parsed(), reading.desk):
        kinds = [
            *(handle for handle, on in case.rates.items() if on),
            *(name for name, is_free in case.room.items() if not is_free),
        ]
        for kind in kinds if case.is_consistent else ():
            by_kind.setdefault(kind, []).append(case)
    assert len(by_kind) > 10
    some = [case for found in by_kind.values() for case in found[:: max(1, len(found) // 4)]]
    for case, outcome in zip(some, replay(reading, some), strict=True):
        assert isinstance(outcome, Replay)
        assert not list(differences(case, outcome)), described(case)


def test_an_element_has_the_rate_that_rules_give_it(doorway: Doorway) -> None:
    """Without it, a rule goes on at any rate. Here each element is there before the datagram."""
    doorway.load()
    reading = doorway.read()
    some: dict[tuple[str, str, bool], Case] = {}
    for case in cases(reading.parsed(), reading.desk):
        rated = [key for key, each in case.after.items() if key[0] in RATED and each.there]
        if case.is_consistent and rated:
            there = {rated[0]: Element(there=True)}
            (goes_on,) = case.rates.values()
            some[case.hook, rated[0][0], goes_on] = replace(case, before={**case.before, **there})
    assert {key[1:] for key in some} == {(name, goes_on) for name in RATED for goes_on in (False, True)}
    for case, outcome in zip(some.values(), replay(reading, list(some.values())), strict=True):
        assert isinstance(outcome, Replay)
        assert not list(differences(case, outcome)), described(case)


def test_a_datagram_without_a_checksum_is_lost_behind_the_rules(doorway: Doorway) -> None:
    """Writing a port makes a wrong checksum of none; so the cases' datagrams have one."""
    doorway.load()
    reading = doorway.read()
    led = next(
        each
        for each in cases(reading.parsed(), reading.desk)
        if each.accepted
        and each.written.get("udp dport") == ONE
        and each.hook == "prerouting"
        and each.fields["meta iif"] != 1
    )
    (right,) = replay(reading, [led])
    assert isinstance(right, Replay)
    assert (right.passed, right.sockets) == (True, frozenset([ONE]))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(replaying, "packet_of", lambda *_: right.sent[:26] + bytes(2) + right.sent[28:])
        (without,) = replay(reading, [led])
    assert isinstance(without, Replay)
    assert (without.passed, without.sockets) == (True, frozenset())


def test_a_wrong_meaning_is_contradicted(doorway: Doorway) -> None:
    doorway.load()
    wrong = compare_door_wrongly(doorway.read(), 1).wrong
    assert wrong
    assert all(each.endswith("it is dropped") for each in wrong)


def test_a_map_that_is_understood_wrongly_is_noticed(doorway: Doorway) -> None:
    """The meaning is that of the right door, and a rule of the copy writes to the map by another key."""
    doorway.load()
    right = doorway.read()
    found = [
        each
        for each in cases(right.parsed(), right.desk)
        if each.is_consistent and any(name == "known4" and each.before[name, key].there for name, key in each.after)
    ]
    doorway.load((KNOW, "delete @known4 { ip daddr . udp dport : udp sport }"))
    found = found[::12]
    outcomes = replay(doorway.read(), found)
    wrong = [
        text
        for case, outcome in zip(found, outcomes, strict=True)
        if isinstance(outcome, Replay)
        for text in differences(case, outcome)
    ]
    assert any("of known4 is renewed" in text for text in wrong), wrong


def test_a_copy_that_differs_is_refused(doorway: Doorway) -> None:
    doorway.load()
    reading = doorway.read()
    changed = replace(reading, text=reading.text.replace("udp length != 156", "udp length != 157"))
    assert changed.text != reading.text
    with pytest.raises(Unreplayable, match="other rules"):
        compare_door(changed, 1, 1)


def test_a_datagram_reaches_the_socket_of_its_session(doorway: Doorway, tmp_path: Path) -> None:
    """Data of a session that is not known is led to a link, which a socket stands for."""
    unknown = "add rule inet mwtestdoor resume counter name sessionless drop"
    doorway.load((unknown, "add rule inet mwtestdoor resume udp dport set 20000 accept"))
    reading = doorway.read()
    examples = prove_door(reading)[1].counterexamples
    shown = show_door(reading, examples, tmp_path, "door")
    assert any("comes to the socket of port 20000" in each.says for each in shown), [each.says for each in shown]
    with PcapNgReader(str(shown[0].file)) as packets:
        arrived = next(iter(packets))
    assert (arrived.direction, arrived[IP].dst, arrived[UDP].dport) == (1, "192.0.2.2", 51820)
    assert "before it:" in comment(arrived)


def test_a_datagram_that_leaves_is_captured(doorway: Doorway, tmp_path: Path) -> None:
    doorway.load(("answer @th,64,32 67108864 udp sport set 51820 accept", "answer @th,64,32 67108864 accept"))
    reading = doorway.read()
    examples = prove_door(reading)[1].counterexamples
    (shown,) = show_door(reading, examples, tmp_path, "door")
    with PcapNgReader(str(shown.file)) as packets:
        sent, left = list(packets)
    assert "is sent by the host" in comment(sent)
    assert comment(left) == "The datagram leaves."
    assert sent[UDP].sport == left[UDP].sport
    assert f"from port {left[UDP].sport}" in shown.says


def test_what_cannot_be_sent_has_a_reason(doorway: Doorway, tmp_path: Path) -> None:
    doorway.load()
    reading = doorway.read()
    found = next(each for each in cases(reading.parsed(), reading.desk) if each.hook == "prerouting")
    nobody = replace(found, fields={**found.fields, "ip daddr": 0})
    loop = replace(found, is_consistent=False)
    for each, said in zip(replay(reading, [nobody, loop]), ("no host has", "not for another"), strict=True):
        assert isinstance(each, Unreachable)
        assert said in str(each)
    example = DoorExample("a", "b", "c", "d", (), {})
    (shown,) = show_door(reading, [example], tmp_path, "door")
    assert shown.sight is not Sight.AS_COMPUTED
    assert not shown.is_contradiction


def test_a_replay_that_contradicts_says_so(doorway: Doorway, tmp_path: Path) -> None:
    """The counterexample is another door's."""
    doorway.load(("public counter name malformed drop", "public udp dport set 20000 accept"))
    examples = prove_door(doorway.read())[0].counterexamples
    doorway.load()
    (shown,) = show_door(doorway.read(), examples, tmp_path, "door")
    assert shown.is_contradiction
    assert shown.says.endswith("please report it: it is dropped")
