"""The kernel's verdicts equal the model's: packets of every kind, through a real ruleset."""

from __future__ import annotations

import itertools
import re
import threading
from collections.abc import Iterator
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.hub.errors import RulesetError
from appliance.hub.kernel import removal
from appliance.hub.kernel.generation import Ledger
from appliance.hub.kernel.nft import Rulesets
from appliance.hub.plane.enforcement import Enforcement
from appliance.hub.ruleset import UNMATCHED, Removal, Ruleset, counter_name
from appliance.hub.ruleset.buckets import count_for
from appliance.model.desired import Desired, Peer
from appliance.model.policy import Action, Policy, Protocol, Rule, Selector, SelectorKind
from appliance.model.verdict import ConnectionEnd, decide
from tests.appliance.hub.ruled import Kernel, changes, compile_ruleset, listing, members, rule, state_of
from tests.appliance.strategies import PORTS, desired_states
from tests.properties import sharing_fixtures

LINK = "mwabcbbbbbbbbbb"
ON_A_KERNEL = sharing_fixtures(40)


def verdict(desired: Desired, source: Peer, destination: Peer, protocol: str, port: int) -> Action:
    """Returns the verdict of the model."""
    known = Protocol(protocol) if protocol != "gre" else Protocol.ANY
    parties = ConnectionEnd(source.id, source.groups), ConnectionEnd(destination.id, destination.groups)
    return decide(desired.policy, *parties, known, port if known.has_ports else None).action


def cells(desired: Desired) -> Iterator[tuple[Peer, Peer, str, int]]:
    """Lists every combination of ends, protocol and port."""
    for source in desired.peers:
        for destination in desired.peers:
            if source is not destination:
                for protocol in ("tcp", "udp", "icmp", "gre"):
                    for port in PORTS if protocol in ("tcp", "udp") else (0,):
                        yield source, destination, protocol, port


@ON_A_KERNEL
@given(desired_states())
def test_packets_get_the_model_s_verdict(kernel: Kernel, desired: Desired) -> None:
    kernel.load(desired)
    for source, destination, protocol, port in cells(desired):
        flow = kernel.new_flow(source, destination, protocol, port)
        allowed = verdict(desired, source, destination, protocol, port) is Action.ALLOW
        assert kernel.wire.passes(flow.opening()) is allowed, (source, destination, protocol, port)


@ON_A_KERNEL
@given(desired_states(), st.data())
def test_replies_follow_their_connection_under_later_policies(
    kernel: Kernel, desired: Desired, data: st.DataObject
) -> None:
    source, destination = (
        data.draw(st.sampled_from(desired.peers), label=label) for label in ("source", "destination")
    )
    if source == destination:
        return
    protocol = data.draw(st.sampled_from(["tcp", "udp", "icmp"]))
    port = data.draw(st.sampled_from(PORTS)) if protocol != "icmp" else 0
    flow = kernel.new_flow(source, destination, protocol, port)
    kernel.load(replace(desired, policy=Policy(Action.ALLOW)))
    assert kernel.wire.passes(flow.opening())
    assert kernel.wire.passes(flow.reply())
    kernel.load(desired)
    allowed = verdict(desired, source, destination, protocol, port) is Action.ALLOW
    assert kernel.wire.passes(flow.reply()) is allowed
    assert kernel.wire.passes(flow.going_on() if protocol != "icmp" else flow.opening()) is allowed


@pytest.mark.parametrize("ports", ["", "22"])
def test_errors_follow_an_allowed_connection_and_no_denied_one(kernel: Kernel, ports: str) -> None:
    first, second = members(2)
    allow = rule("a", Action.ALLOW, first, second, Protocol.UDP, ports)
    state = state_of((first, second), Policy(Action.DENY, (allow,)))
    kernel.load(state)
    flow = kernel.new_flow(first, second, "udp", 22)
    assert kernel.wire.passes(flow.opening())
    assert kernel.wire.passes(flow.error())
    kernel.load(replace(state, policy=Policy(Action.DENY)))
    assert not kernel.wire.passes(flow.error())
    denied = rule("d", Action.DENY, first, second)
    kernel.load(replace(state, policy=Policy(Action.ALLOW, (denied,))))
    assert not kernel.wire.passes(flow.error())


@ON_A_KERNEL
@given(st.lists(desired_states(), min_size=2, max_size=4))
def test_loading_differences_equals_loading_the_whole(kernel: Kernel, states: list[Desired]) -> None:
    """Compares after each step."""
    for state in states:
        kernel.load(state)
    listed = listing(kernel.wire.names.namespace)
    kernel.loaded = Ruleset()
    kernel.load(states[-1])
    assert _sorted(listing(kernel.wire.names.namespace)) == _sorted(listed)


def _sorted(listing: str) -> list[str]:
    """Sorts the blocks of a listing and drops their counts, so that listings can be compared."""
    blocks = re.findall(r"^\t\w+ \w+ \{.*?^\t\}", listing, re.DOTALL | re.MULTILINE)
    return sorted(re.sub(r"packets \d+ bytes \d+", "", block) for block in blocks)


@ON_A_KERNEL
@given(desired_states(), st.data())
def test_every_deletion_denies_at_least_as_much(kernel: Kernel, desired: Desired, data: st.DataObject) -> None:
    """Empties one chain, or deletes one rule, anywhere: nothing passes that the policy denies."""
    kernel.load(desired)
    damage = kernel.damage(data)
    for source, destination, protocol, port in cells(desired):
        if verdict(desired, source, destination, protocol, port) is Action.DENY:
            flow = kernel.new_flow(source, destination, protocol, port)
            assert not kernel.wire.passes(flow.opening()), (damage, source, destination, protocol, port)


def test_base_chains_drop_packets_without_a_rule(kernel: Kernel) -> None:
    kernel.load(state_of(members(2), Policy(Action.ALLOW)))
    for chain in ("gate", "hub", "transit"):
        kernel.rulesets.load(kernel.wire.names.namespace, f"flush chain inet mesh {chain}")
    assert len(re.findall("policy drop", listing(kernel.wire.names.namespace))) == 3


def test_sets_can_t_be_emptied_from_outside(kernel: Kernel) -> None:
    first, second = members(2)
    kernel.load(state_of((first, second), Policy(Action.ALLOW, (rule("d", Action.DENY, first, second),))))
    for text in ("flush set inet mesh __map0", "delete set inet mesh __map0", "flush map inet mesh __map0"):
        with pytest.raises(RulesetError):
            kernel.rulesets.load(kernel.wire.names.namespace, text)


def test_a_rule_counts_the_packets_that_it_decides(kernel: Kernel) -> None:
    """Matches a packet with several rules: the most specific one that decides counts it."""
    first, second, third = members(3)
    rules = (
        rule("any", Action.DENY, None, second, Protocol.TCP),
        rule("port", Action.DENY, first, second, Protocol.TCP, "22"),
        rule("later", Action.DENY, first, second, Protocol.TCP, "20-30"),
        rule("allow", Action.ALLOW, first, third),
        rule("idle", Action.ALLOW, third, first),
    )
    kernel.load(state_of((first, second, third), Policy(Action.ALLOW, rules)))
    for source, destination, protocol, port, times in (
        (first, second, "tcp", 22, 3),
        (first, second, "tcp", 25, 2),
        (first, second, "tcp", 80, 1),
        (third, second, "tcp", 22, 4),
        (first, third, "udp", 53, 5),
        (second, first, "udp", 53, 6),
    ):
        for _ in range(times):
            kernel.wire.passes(kernel.new_flow(source, destination, protocol, port).opening())
    wanted = {"any": 5, "port": 3, "later": 2, "allow": 5, "idle": 0}
    assert kernel.counts() == {UNMATCHED: 6, **{counter_name(name): count for name, count in wanted.items()}}


def test_counters_go_on_over_saves(kernel: Kernel) -> None:
    first, second = members(2)
    denied = rule("d", Action.DENY, first, second)
    state = state_of((first, second), Policy(Action.ALLOW, (denied,)))
    kernel.load(state)
    kernel.wire.passes(kernel.new_flow(first, second, "udp", 53).opening())
    kernel.load(replace(state, policy=Policy(Action.DENY, (denied, rule("e", Action.DENY, second, first)))))
    kernel.wire.passes(kernel.new_flow(first, second, "udp", 53).opening())
    assert kernel.counts() == {UNMATCHED: 0, counter_name("d"): 2, counter_name("e"): 0}


def test_one_more_rule_is_a_small_difference(kernel: Kernel) -> None:
    """Adds and removes one of 3,000 rules: one bucket changes, and verdicts stay right."""
    machines = members(300)
    rules = tuple(
        rule(f"n{number}", Action.DENY, machines[number % 300], machines[(number * 7 + 1) % 300], Protocol.UDP, "53")
        for number in range(3000)
    )
    before = state_of(machines, Policy(Action.ALLOW, rules[:-1]))
    after = replace(before, policy=Policy(Action.ALLOW, rules[1:]))
    kernel.load(before)
    small = "".join(changes(compile_ruleset(before, LINK), compile_ruleset(after, LINK)))
    assert len(small) < len("".join(compile_ruleset(after, LINK).loading())) / 20
    kernel.load(after)
    source, destination = rules[-1].source.name, rules[-1].destination.name
    by_id = {machine.id: machine for machine in machines}
    assert not kernel.wire.passes(kernel.new_flow(by_id[source], by_id[destination], "udp", 53).opening())
    assert kernel.wire.passes(kernel.new_flow(by_id[source], by_id[destination], "udp", 54).opening())


def test_a_partly_loaded_ruleset_denies_everything(
    kernel: Kernel, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    machines = members(100)
    rules = tuple(
        rule(f"n{number}", Action.ALLOW, machines[number % 100], machines[number // 100], Protocol.UDP, "53")
        for number in range(9000)
        if number % 100 != number // 100
    )
    state = state_of(machines, Policy(Action.DENY, rules))
    flow = kernel.new_flow(machines[3], machines[4], "udp", 53).opening()
    load, loads = Rulesets.load, itertools.count()

    def cut_off(self: Rulesets, name: str, text: str) -> None:
        if next(loads) == 3:
            raise RulesetError("killed")
        load(self, name, text)

    with monkeypatch.context() as patch:
        patch.setattr(Rulesets, "load", cut_off)
        killed = Enforcement(ledger)
        with pytest.raises(RulesetError, match="killed"):
            killed.enforce(kernel.wire.names, state)
    assert re.search(r"chain gate \{\n[^\n]*policy drop;\n\t\}", listing(kernel.wire.names.namespace))
    following = Enforcement(ledger)
    assert following.enforce(kernel.wire.names, state) == ()
    assert kernel.wire.passes(flow)
    assert not kernel.wire.passes(kernel.new_flow(machines[3], machines[4], "udp", 54).opening())
    for each in (killed, following):
        each.forget(kernel.wire.names.namespace)


def test_a_removal_is_refused_as_a_whole(kernel: Kernel) -> None:
    """Removes a chain that a rule still jumps to, together with others."""
    first, second = members(2)
    kernel.load(state_of((first, second), Policy(Action.ALLOW, (rule("d", Action.DENY, first, second),))))
    name = kernel.wire.names.namespace
    kernel.rulesets.load(name, "add counter inet mesh more\n")
    (messages,) = removal.transactions(Removal(chains=("default",), counters=("more",)))
    with pytest.raises(RulesetError, match="busy"):
        kernel.sockets.change(name, messages)
    assert "more" in kernel.counts()
    assert not kernel.wire.passes(kernel.new_flow(first, second, "udp", 53).opening())
    (messages,) = removal.transactions(Removal(counters=("more",)))
    kernel.sockets.change(name, messages)
    assert "more" not in kernel.counts()


@pytest.mark.parametrize("ports", ["", "53"])
def test_a_change_of_rules_affects_no_other_packet(kernel: Kernel, ledger: Ledger, ports: str) -> None:
    """Adds and removes a rule in the same lookup: no allowed packet is lost and no denied one delivered."""
    machines = members(6)
    staying = (
        rule("d", Action.DENY, machines[0], machines[1], Protocol.UDP, ports),
        rule("a", Action.ALLOW, machines[2], machines[3], Protocol.UDP, ports),
    )
    coming = (
        rule("x", Action.DENY, machines[4], machines[5], Protocol.UDP, ports),
        rule("y", Action.ALLOW, machines[5], machines[4], Protocol.UDP, ports),
    )
    before, after = (state_of(machines, Policy(Action.DENY, rules)) for rules in (staying, staying + coming))
    enforcement = Enforcement(ledger)
    enforcement.enforce(kernel.wire.names, before)

    def flip() -> None:
        for _ in range(400):
            enforcement.enforce(kernel.wire.names, after)
            enforcement.enforce(kernel.wire.names, before)

    thread = threading.Thread(target=flip)
    thread.start()
    denied_flow = kernel.new_flow(machines[0], machines[1], "udp", 53).opening()
    allowed_flow = kernel.new_flow(machines[2], machines[3], "udp", 53).opening()
    wrong = 0
    while thread.is_alive():
        wrong += kernel.wire.passes(denied_flow)
        wrong += not kernel.wire.passes(allowed_flow)
    thread.join()
    enforcement.forget(kernel.wire.names.namespace)
    assert wrong == 0


def test_every_machine_of_a_large_group_is_found(kernel: Kernel) -> None:
    """Spreads classes over buckets; machines without groups, whose bucket may be empty, are in none."""
    machines = tuple(
        replace(machine, groups=frozenset({"even"} if number % 2 == 0 else {"five"} if number % 5 == 0 else ()))
        for number, machine in enumerate(members(400))
    )
    denied = Rule("d", Action.DENY, Selector(SelectorKind.GROUP, "even"), Selector(SelectorKind.GROUP, "five"))
    state = state_of(machines, Policy(Action.ALLOW, (denied,)))
    kernel.load(state)
    for number in range(0, 400, 7):
        source, destination = machines[number], machines[(number * 3 + 5) % 400]
        if source is not destination:
            allowed = verdict(state, source, destination, "udp", 53) is Action.ALLOW
            assert kernel.wire.passes(kernel.new_flow(source, destination, "udp", 53).opening()) is allowed


@given(st.integers(0, 100_000))
def test_buckets_are_a_power_of_two_and_never_full(elements: int) -> None:
    count = count_for(elements)
    assert count & (count - 1) == 0
    assert elements <= count * 64


@given(desired_states())
def test_every_accept_sets_the_mark(desired: Desired) -> None:
    for statements in compile_ruleset(desired, LINK).chains.values():
        for statement in statements:
            if "accept" in statement and "oifname" not in statement and "iifname" not in statement:
                assert re.search("meta mark (set )?0x1 accept$", statement)


@given(desired_states())
def test_sets_are_anonymous(desired: Desired) -> None:
    assert not re.search(r"@(?!th,)|\badd (set|map|element)\b", "".join(compile_ruleset(desired, LINK).loading()))


@given(desired_states())
def test_the_cost_of_a_packet_does_not_grow_with_the_rules(desired: Desired) -> None:
    """Counts the chains that a packet can pass: two for each lookup, one lookup for each shape in use."""
    chains = compile_ruleset(desired, LINK).chains
    shapes = {
        (each.action, each.protocol, each.source.kind, each.destination.kind, bool(each.ports))
        for each in desired.policy.rules
    }
    assert len(chains) <= 26 + 3 * len(shapes)
