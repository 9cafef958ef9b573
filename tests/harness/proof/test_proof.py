"""Proofs of compiled policies, and rulesets with one fault that are found without being told where it is."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given

from appliance.hub.ruleset import FullMachines, refusing
from appliance.model.desired import Desired
from appliance.model.policy import Action
from appliance.model.policy import Policy as Wanted
from harness.proof import Policy, Proof, Reading, Unmodelled, prove
from harness.proof.engines import ENGINES, prove_by
from harness.proof.fields import Flow, Variable
from harness.proof.words import Counterexample
from tests.appliance.hub.ruled import Kernel, changes, state_of
from tests.appliance.strategies import desired_states
from tests.harness.proof.compiled import (
    FIRST,
    PEERS,
    SECOND,
    in_buckets,
    mixed,
    overlapping,
    policy_of,
    reading_of,
)
from tests.harness.proof.ruleset_faults import (
    FAULTS,
    UNTRACKED,
    Edit,
    Rule,
    edited,
    in_chain,
    leave_the_first_port_out,
    open_everything,
    rules_of,
)
from tests.properties import sharing_fixtures

pytestmark = pytest.mark.long

_LAST_PORT = 65535
_ALL = 10_000


@pytest.mark.parametrize("default", Action)
def test_a_compiled_policy_is_what_the_kernel_does(kernel: Kernel, default: Action) -> None:
    kernel.load(mixed(default))
    _hold(prove_by(ENGINES, reading_of(kernel), policy_of(mixed(default))))


def test_overlapping_ports_of_rules_add_up(kernel: Kernel) -> None:
    kernel.load(overlapping())
    _hold(prove_by(ENGINES, reading_of(kernel), policy_of(overlapping())))


def test_buckets_of_a_hash_are_computed_as_the_kernel_does(spread_reading: Reading) -> None:
    assert "jhash" in json.dumps(spread_reading.listing)
    _hold(prove_by(ENGINES, spread_reading, policy_of(in_buckets())))


@given(desired_states())
@sharing_fixtures(15)
def test_any_compiled_policy_is_proven(kernel: Kernel, desired: Desired) -> None:
    kernel.load(desired)
    _hold(prove_by(ENGINES, reading_of(kernel), policy_of(desired)))


@given(desired_states(), desired_states())
@sharing_fixtures(15)
def test_another_policy_is_refuted(kernel: Kernel, desired: Desired, other: Desired) -> None:
    """Machines of the one under the rules of the other: what differs is found, and only what differs."""
    kernel.load(desired)
    wanted = replace(desired, policy=other.policy)
    for found in prove_by(ENGINES, reading_of(kernel), policy_of(wanted)):
        assert found.holds is _same_verdicts(policy_of(desired), policy_of(wanted))


def _same_verdicts(one: Policy, other: Policy) -> bool:
    """Compares the reference model's verdicts on all cells."""
    cuts = [cut for policy in (one, other) for cut in policy.cuts_of_ports()]
    # Between two of these, all ports are alike.
    ports = {0} | {port for first, last in cuts for port in (first, last + 1) if port <= _LAST_PORT}
    return all(
        _verdict(one, source, destination, protocol, port) is _verdict(other, source, destination, protocol, port)
        for source in range(len(one.machines))
        for destination in range(len(one.machines))
        for protocol in (6, 17, 1, 47)
        for port in ports
    )


def _verdict(policy: Policy, source: int, destination: int, protocol: int, port: int) -> bool:
    denials = {
        rule.is_deny
        for rule in policy.resolved
        if source in rule.sources
        and destination in rule.destinations
        and rule.protocol in (None, protocol)
        and any(first <= port <= last for first, last in rule.ports)
    }
    return False if True in denials else False in denials or policy.default == "allow"


# In each profile, test_replay_faults.py proves the same by the first engine, with a real packet of each counterexample.
@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
def test_a_fault_is_found_by_the_second_engine(reading: Reading, fault: Edit) -> None:
    (found,) = prove_by(ENGINES[1:], edited(reading, fault), policy_of(mixed()))
    check_refuted(found)


def check_refuted(proof: Proof) -> None:
    """Checks that each counterexample is one, and tells where its packet goes."""
    assert proof.counterexamples
    for each in proof.counterexamples:
        assert each.trace
        assert each.fate != each.wanted


def _opened(proof: Proof) -> list[Counterexample]:
    """Counterexamples that pass; as after damage, what is allowed may be dropped."""
    return [each for each in proof.counterexamples if each.fate != "dropped"]


@pytest.mark.parametrize("engine", ENGINES)
def test_packets_of_nobody_s_connections_are_asked_about(kernel: Kernel, engine: str) -> None:
    """The rules say nothing else than the policy of connections that machines open."""
    allowance = next(each for each in mixed().policy.rules if each.id == "a2")
    desired = state_of(PEERS, Wanted(Action.DENY, (allowance,)))
    kernel.load(desired)

    def forget_the_network(rules: list[Rule]) -> None:
        expression = in_chain(rules, "gate")[3]["expr"]
        assert expression[0]["match"]["left"]["payload"]["field"] == "saddr"
        del expression[0]
        # A stranger's errors can be about connections of machines.
        in_chain(rules, "belonging")[1]["expr"][-1:] = [{"drop": None}]

    wrong = edited(reading_of(kernel), forget_the_network)
    (found,) = prove_by([engine], wrong, policy_of(desired), most=_ALL)
    openers = {each.values[Variable.SOURCE] for each in _opened(found)}
    assert openers
    assert openers.isdisjoint(int(peer.address) for peer in PEERS)


def test_late_untracked_pings_may_be_dropped(reading: Reading) -> None:
    """Connection tracking took them for no ping before ``notrack`` marked them."""

    def drop_untracked(rules: list[Rule]) -> None:
        in_chain(rules, "apart")[0]["expr"] = [{"accept": None}]
        _, pings, others, _ = in_chain(rules, "gate")
        others["expr"], pings["expr"] = pings["expr"], [{"notrack": None}, UNTRACKED, {"drop": None}]

    _hold(prove_by(ENGINES, edited(reading, drop_untracked), policy_of(mixed())))


@pytest.mark.parametrize("engine", ENGINES)
def test_a_counterexample_is_a_packet(reading: Reading, engine: str) -> None:
    (proof,) = prove_by([engine], edited(reading, leave_the_first_port_out), policy_of(mixed()))
    found = proof.counterexamples[0]
    assert found.values[Variable.DESTINATION_PORT] == 8000
    assert found.values[Variable.SOURCE] == int(FIRST.address)
    assert found.values[Variable.DESTINATION] == int(SECOND.address)
    assert found.fate == "dropped"
    assert "inet mesh default handle" in "\n".join(found.trace)
    assert "tcp 10.100.0.2" in str(found)


def test_a_route_for_unmarked_packets_changes_nothing(reading: Reading) -> None:
    """Two things have to agree before a packet passes."""
    open_route = {**reading.routes[0], "table": "main"}
    _hold(prove_by(ENGINES, replace(reading, routes=[*reading.routes, open_route]), policy_of(mixed())))


def test_without_rules_nothing_passes(reading: Reading) -> None:
    """An empty ruleset forwards nothing, so what the policy allows is missing; the machines' pings are answered."""
    empty = {"nftables": [entry for entry in reading.listing["nftables"] if "metainfo" in entry]}
    for found in prove_by(ENGINES, replace(reading, listing=empty), policy_of(mixed()), most=50):
        assert {each.fate for each in found.counterexamples} == {"dropped", "delivered to the hub"}


def test_rules_without_the_route_forward_nothing(reading: Reading) -> None:
    routes = [route for route in reading.routes if route.get("table") != "100"]
    for found in prove_by(ENGINES, replace(reading, routes=routes), policy_of(mixed())):
        assert {each.fate for each in found.counterexamples} == {"dropped"}


# In each profile, test_fail_closed.py deletes the same rules, with what walks have in common remembered.
@pytest.mark.full
def test_no_deletion_of_a_rule_opens_anything(reading: Reading) -> None:
    """Without any one rule, only packets pass that the policy allows."""
    for gone in rules_of(reading):
        entries = [entry for entry in reading.listing["nftables"] if entry.get("rule") is not gone]
        left = replace(reading, listing={"nftables": entries})
        found = _opened(prove(left, policy_of(mixed()), most=_ALL))
        assert not found, (gone["chain"], gone["handle"], str(found[0]))


def test_a_way_out_is_found(reading: Reading) -> None:
    """A second link, to which a route for everything leads."""
    links = [*reading.links, {"ifindex": 77, "ifname": "out"}]
    way_out = {"dst": "default", "dev": "out", "table": "100", "flags": []}
    changed = replace(edited(reading, open_everything), links=links, routes=[*reading.routes, way_out])
    found = prove(changed, policy_of(mixed()))
    assert "dropped: no machine is there" in {each.wanted for each in found.counterexamples}


def test_a_network_behind_two_links_is_refused(reading: Reading) -> None:
    links = [*reading.links, {"ifindex": 77, "ifname": "other"}]
    route = {"dst": str(mixed().network), "dev": "other", "table": "main", "flags": []}
    with pytest.raises(Unmodelled, match="2 links"):
        prove(replace(reading, links=links, routes=[*reading.routes, route]), policy_of(mixed()))


def _hold(proofs: tuple[Proof, ...]) -> None:
    assert [each.engine for each in proofs] == list(ENGINES)
    for proof in proofs:
        assert proof.holds, "\n".join(map(str, proof.counterexamples))
        assert proof.counted > 1


def test_a_machine_at_its_bound_is_refused_new_connections(kernel: Kernel) -> None:
    """It is dropped for that, and what the policy denies is dropped as ever."""
    kernel.load(mixed())
    full = refusing(kernel.loaded, FullMachines(frozenset({FIRST.address})))
    for text in changes(kernel.loaded, full):
        kernel.rulesets.load(kernel.wire.names.namespace, text)
    kernel.loaded = full
    reading = reading_of(kernel)
    assert '"full"' in json.dumps(rules_of(reading))
    _hold(prove_by(ENGINES, reading, policy_of(mixed())))

    def refuse_what_is_open(rules: list[Rule]) -> None:
        in_chain(rules, "transit")[0]["expr"][-1:] = [{"jump": {"target": "opening"}}]

    first, second = prove_by(ENGINES, edited(reading, refuse_what_is_open), policy_of(mixed()))
    assert first.counterexamples
    assert second.counterexamples
    assert Flow.NEW not in {each.values[Variable.FLOW] for each in first.counterexamples}
