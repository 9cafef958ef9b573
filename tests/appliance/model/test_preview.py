"""Previews: exactly the connections whose verdict changes, by the model's own decisions."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from appliance.model import preview
from appliance.model.policy import ANYONE, Action, Policy, Protocol, Rule, Selector, SelectorKind
from appliance.model.port_ranges import HIGHEST_PORT, PortRange, parse_ports
from appliance.model.preview import MOST_ENTRIES, PreviewEntry, compare
from appliance.model.services import ServiceProtocol, ServiceRange
from appliance.model.verdict import ConnectionEnd, decide
from tests.appliance.strategies import PORTS, peers, rules

BESIDE = sorted({0, *(port + step for port in PORTS for step in (-1, 0, 1) if port + step <= HIGHEST_PORT)})
"""Ports at and beside the ends of the strategies' ranges, so every range of ports has one of them."""


def names(services: ServiceRange, protocol: Protocol, port: int | None) -> bool:
    """Tells whether a service is in a range of services."""
    if services.protocol is ServiceProtocol.ANY:
        return True
    if services.protocol is ServiceProtocol.OTHER:
        return protocol is Protocol.ANY
    if services.protocol.value != protocol.value:
        return False
    return not services.ports or (port is not None and any(port in ports for ports in services.ports))


def listed(entries: Sequence[PreviewEntry], source: str, end: str, protocol: Protocol, port: int | None) -> bool:
    """Tells whether a connection is in a list of a preview."""
    return any(
        source in entry.sources and end in entry.destinations and names(entry.services, protocol, port)
        for entry in entries
    )


@st.composite
def two_policies(draw: st.DrawFn) -> tuple[list[ConnectionEnd], Policy, Policy]:
    known = draw(peers())
    of_both = draw(st.lists(rules(known), max_size=4))
    before, after = (
        Policy(draw(st.sampled_from(Action)), (*of_both, *draw(st.lists(rules(known), max_size=3)))) for _ in range(2)
    )
    return [ConnectionEnd(peer.id, peer.groups) for peer in known], before, after


@given(two_policies(), st.sampled_from(Protocol))
def test_a_preview_lists_exactly_what_changes(
    drawn: tuple[list[ConnectionEnd], Policy, Policy], protocol: Protocol
) -> None:
    machines, before, after = drawn
    found = compare(before, after, machines)
    assert not found.not_compared
    for source in machines:
        for end in machines:
            for port in BESIDE if protocol.has_ports else [None]:
                was, becomes = (decide(policy, source, end, protocol, port).action for policy in (before, after))
                opens = listed(found.opens.entries, source.id, end.id, protocol, port)
                closes = listed(found.closes.entries, source.id, end.id, protocol, port)
                if source is not end:
                    assert opens == ((was, becomes) == (Action.DENY, Action.ALLOW))
                    assert closes == ((was, becomes) == (Action.ALLOW, Action.DENY))


@given(two_policies())
def test_each_entry_names_pairs_of_different_machines(drawn: tuple[list[ConnectionEnd], Policy, Policy]) -> None:
    machines, before, after = drawn
    found = compare(before, after, machines)
    for entry in (*found.opens.entries, *found.closes.entries):
        pairs = [(one, other) for one in entry.sources for other in entry.destinations if one != other]
        assert len(set(pairs)) == len(pairs) == entry.pairs > 0
        assert {one for one, _ in pairs} == set(entry.sources)
        assert {other for _, other in pairs} == set(entry.destinations)
    back = compare(after, before, machines)
    assert (back.opens, back.closes) == (found.closes, found.opens)


@given(two_policies(), st.integers(0, 20))
def test_pairs_beyond_the_work_are_counted(drawn: tuple[list[ConnectionEnd], Policy, Policy], most: int) -> None:
    machines, before, after = drawn
    whole, part = compare(before, after, machines), compare(before, after, machines, most_work=most)

    def pairs(entries: Sequence[PreviewEntry]) -> set[tuple[str, str]]:
        return {(one, other) for each in entries for one in each.sources for other in each.destinations if one != other}

    everything = pairs((*whole.opens.entries, *whole.closes.entries))
    some = pairs((*part.opens.entries, *part.closes.entries))
    assert some <= everything
    assert len(everything - some) <= part.not_compared
    if everything != some:
        assert part.not_compared


def machine(number: int) -> Selector:
    return Selector(SelectorKind.MACHINE, f"m{number}")


def test_a_new_default_is_one_entry_for_many_machines() -> None:
    machines = [ConnectionEnd(f"m{number}") for number in range(200)]
    found = compare(Policy(Action.ALLOW), Policy(Action.DENY), machines)
    assert found.opens.entries == ()
    ids = tuple(each.id for each in machines)
    assert found.closes.entries == (PreviewEntry(ids, ids, ServiceRange(ServiceProtocol.ANY), 200 * 199),)


def test_an_entry_tells_protocol_and_ports() -> None:
    machines = [ConnectionEnd("m0"), ConnectionEnd("m1", frozenset({"web"})), ConnectionEnd("m2", frozenset({"web"}))]
    before = Policy(Action.DENY, (Rule("a", Action.ALLOW, ANYONE, ANYONE, Protocol.TCP, parse_ports("80")),))
    web = Selector(SelectorKind.GROUP, "web")
    after = before.with_rules([Rule("b", Action.ALLOW, machine(0), web, Protocol.TCP, parse_ports("80,443,8000-8100"))])
    found = compare(before, after, machines)
    services = ServiceRange(ServiceProtocol.TCP, (PortRange(443, 443), PortRange(8000, 8100)))
    assert found.opens.entries == (PreviewEntry(("m0",), ("m1", "m2"), services, 2),)
    assert found.closes.entries == ()


def test_a_rule_without_effect_opens_and_closes_nothing() -> None:
    machines = [ConnectionEnd("m0"), ConnectionEnd("m1")]
    before = Policy(Action.DENY, (Rule("a", Action.DENY, ANYONE, ANYONE),))
    after = before.with_rules([Rule("b", Action.ALLOW, machine(0), machine(1))])
    found = compare(before, after, machines)
    assert (found.opens.entries, found.closes.entries, found.not_compared) == ((), (), 0)


def test_entries_beyond_the_limit_are_counted() -> None:
    machines = [ConnectionEnd(f"m{number}") for number in range(MOST_ENTRIES + 11)]
    allows = tuple(
        Rule(
            str(number), Action.ALLOW, machine(number), machine(number + 1), Protocol.TCP, parse_ports(f"{number + 1}")
        )
        for number in range(MOST_ENTRIES + 10)
    )
    found = compare(Policy(Action.DENY), Policy(Action.DENY, allows), machines, most_work=10**9)
    assert (len(found.opens.entries), found.opens.left_out) == (MOST_ENTRIES, 10)


def test_the_machines_that_a_list_names_are_bounded() -> None:
    count = preview.MOST_NAMED // 10
    groups = [Selector(SelectorKind.GROUP, f"g{number}") for number in range(4)]
    machines = [ConnectionEnd(f"m{number}", frozenset({f"g{number % 4}"})) for number in range(count * 4)]
    allows = tuple(
        Rule(f"{one} {other}", Action.ALLOW, one, other, Protocol.TCP, parse_ports(str(22 + 4 * row + column)))
        for row, one in enumerate(groups)
        for column, other in enumerate(groups)
    )
    found = compare(Policy(Action.DENY), Policy(Action.DENY, allows), machines).opens
    assert (len(found.entries), found.left_out) == (5, 11)
