"""The compiled lookups say what the model decides, for every pair, protocol and port."""

from __future__ import annotations

import re

from hypothesis import given, settings

from appliance.hub.ruleset import Classes, Compiled, Traffic, classify, compile_rules, foundation, verdicts
from appliance.model.desired import Desired, Peer
from appliance.model.policy import Action, Kind, Party, Protocol, decide
from tests.appliance.strategies import PORTS, desired_states

_TRAFFIC = {
    Protocol.TCP: Traffic.TCP,
    Protocol.UDP: Traffic.UDP,
    Protocol.ICMP: Traffic.ICMP,
    Protocol.ANY: Traffic.OTHER,
}


def speaks_of(compiled: Compiled, classes: Classes, source: Peer, destination: Peer, port: int | None) -> bool:
    """What the kernel's set lookups do, on the same tables."""
    for kinds in {*compiled.whole, *compiled.ported}:
        key = tuple(
            part
            for part in (
                _end(kinds[0], source, classes, "0:{:x}"),
                _end(kinds[1], destination, classes, "{:#x}"),
            )
            if part is not None
        )
        if key in compiled.whole.get(kinds, ()):
            return True
        if port is not None and any(port in ports for ports in compiled.ported.get(kinds, {}).get(key, ())):
            return True
    return False


def _end(kind: Kind, peer: Peer, classes: Classes, text: str) -> str | None:
    if kind is Kind.ANY:
        return None
    if kind is Kind.MACHINE:
        return str(peer.address)
    return text.format(classes.of_address.get(peer.address, 0))


@settings(max_examples=300)
@given(desired_states())
def test_lookups_say_what_the_model_decides(desired: Desired) -> None:
    classes = classify(desired)
    for protocol, traffic in _TRAFFIC.items():
        denied = compile_rules(desired, classes, Action.DENY, traffic)
        allowed = compile_rules(desired, classes, Action.ALLOW, traffic)
        for source in desired.peers:
            for destination in desired.peers:
                for port in PORTS if protocol.has_ports else (None,):
                    verdict = (
                        Action.DENY
                        if speaks_of(denied, classes, source, destination, port)
                        else Action.ALLOW
                        if speaks_of(allowed, classes, source, destination, port)
                        else desired.policy.default
                    )
                    parties = Party(source.id, source.groups), Party(destination.id, destination.groups)
                    assert verdict is decide(desired.policy, *parties, protocol, port).action


@given(desired_states())
def test_whatever_accepts_also_marks(desired: Desired) -> None:
    for line in (foundation(desired, "mwabcbbbbbbbbbb") + verdicts(desired)).splitlines():
        if " accept" in line and "add rule" in line:
            assert "meta mark set 0x1 accept" in line


@given(desired_states())
def test_no_class_looks_like_the_allowed_mark(desired: Desired) -> None:
    assert all(number > 0xFF for number in classify(desired).of_address.values())


@given(desired_states())
def test_sets_are_anonymous(desired: Desired) -> None:
    text = verdicts(desired)
    assert "@" not in text
    assert not re.search(r"\badd (set|map|element)\b", text)


@given(desired_states())
def test_the_cost_of_a_packet_does_not_grow_with_the_rules(desired: Desired) -> None:
    # Five kinds of traffic in two directions; nine shapes of allow rules with and without ports.
    assert verdicts(desired).count("add rule") <= 4 + len(Traffic) * 2 + len(Traffic) * 9 * 3
