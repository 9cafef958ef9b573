"""The reference model of a policy, compared with the policy's definition and with the product's model."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.model.policy import Action, Policy, Protocol, Selector, SelectorKind
from appliance.model.policy import Rule as ModelRule
from appliance.model.port_ranges import parse_ports
from appliance.model.verdict import ConnectionEnd, decide
from harness.judging.record import Record
from harness.judging.verdicts import Inconclusive, Refuted
from harness.overlay import truth
from harness.overlay.mesh import Machine, Mesh, Rule
from harness.overlay.truth import CellKey, PortProtocol, Prober, is_allowed
from reports.exhibits import TruthTable

GROUPS = ("red", "green", "blue")
PORTS = (1, 21, 22, 23, 80, 7999, 8000, 8100, 8101, 65535)
SERVICES = (PortProtocol("icmp"), *(PortProtocol(protocol, port) for protocol in ("tcp", "udp") for port in PORTS))


def machine(number: int, groups: Iterable[str] = ()) -> Machine:
    """Returns a machine without a host and a tunnel."""
    nothing = cast(Any, None)
    return Machine(
        f"m{number}",
        f"machine-{number}",
        f"10.100.0.{number + 2}",
        tuple(groups),
        "",
        "10.100.0.1",
        nothing,
        nothing,
        Record(),
    )


ONE, TWO = machine(1, ["red"]), machine(2, ["green", "blue"])
SSH = CellKey(ONE, TWO, PortProtocol("tcp", 22))


@st.composite
def port_lists(draw: st.DrawFn) -> str:
    """Draws port lists as a person writes them: ports and ranges in any order, overlapping or not."""
    pairs = draw(st.lists(st.tuples(st.sampled_from(PORTS), st.sampled_from(PORTS)), min_size=1, max_size=3))
    return ",".join(str(low) if low == high else f"{min(low, high)}-{max(low, high)}" for low, high in pairs)


@st.composite
def rules(draw: st.DrawFn) -> Rule:
    """Draws any rule that the API accepts."""
    selectors = st.sampled_from(["any", "machine:m0", "machine:m1", "machine:m2", *(f"group:{g}" for g in GROUPS)])
    made: Rule = {
        "action": draw(st.sampled_from(["allow", "deny"])),
        "source": draw(selectors),
        "destination": draw(selectors),
    }
    protocol = draw(st.sampled_from([None, "any", "tcp", "udp", "icmp"]))
    if protocol is not None:
        made["protocol"] = protocol
    if protocol in ("tcp", "udp"):
        ports = draw(st.none() | st.just("all") | port_lists())
        if ports is not None:
            made["ports"] = ports
    return made


cells = st.builds(
    lambda numbers, groups, others, service: CellKey(machine(numbers[0], groups), machine(numbers[1], others), service),
    st.permutations(range(3)),
    st.sets(st.sampled_from(GROUPS)),
    st.sets(st.sampled_from(GROUPS)),
    st.sampled_from(SERVICES),
)
defaults = st.sampled_from(["allow", "deny"])
policies = st.lists(rules(), max_size=6)


def denies(rule: Rule) -> Rule:
    """Returns this rule with the action deny."""
    return {**rule, "action": "deny"}


def allows(rule: Rule) -> Rule:
    """Returns this rule with the action allow."""
    return {**rule, "action": "allow"}


@given(cells, defaults, policies)
@settings(max_examples=500)
def test_two_models_that_share_no_code_agree(cell: CellKey, default: str, rules_given: list[Rule]) -> None:
    policy = Policy(
        Action(default),
        tuple(
            ModelRule(
                f"r{number}",
                Action(rule["action"]),
                Selector.parse(rule["source"], field="source"),
                Selector.parse(rule["destination"], field="destination"),
                Protocol(rule.get("protocol", "any")),
                parse_ports(rule.get("ports", "all")),
            )
            for number, rule in enumerate(rules_given)
        ),
    )
    decided = decide(
        policy,
        ConnectionEnd(cell.source.id, frozenset(cell.source.groups)),
        ConnectionEnd(cell.destination.id, frozenset(cell.destination.groups)),
        Protocol(cell.service.protocol),
        cell.service.port,
    )
    assert is_allowed(cell, default, rules_given) is (decided.action is Action.ALLOW)


def test_a_selector_means_the_same_to_both() -> None:
    assert Selector.parse("any", field="source") == Selector(SelectorKind.ANY)
    assert Selector.parse("group:red", field="source") == Selector(SelectorKind.GROUP, "red")
    assert Selector.parse("machine:m1", field="source") == Selector(SelectorKind.MACHINE, "m1")


@given(cells, defaults)
def test_without_a_rule_the_default_decides(cell: CellKey, default: str) -> None:
    assert is_allowed(cell, default, []) is (default == "allow")


@given(cells, defaults, policies, st.randoms(use_true_random=False))
def test_the_order_of_rules_never_matters(cell: CellKey, default: str, rules_given: list[Rule], random: Any) -> None:
    shuffled = [*rules_given, *rules_given]
    random.shuffle(shuffled)
    assert is_allowed(cell, default, shuffled) is is_allowed(cell, default, rules_given)


@given(cells, defaults, policies, rules())
def test_deny_rules_only_deny_and_allow_rules_only_allow(
    cell: CellKey, default: str, rules_given: list[Rule], more: Rule
) -> None:
    before = is_allowed(cell, default, rules_given)
    assert is_allowed(cell, default, [*rules_given, denies(more)]) <= before
    assert is_allowed(cell, default, [*rules_given, allows(more)]) >= before


@given(cells, defaults, policies)
def test_deny_wins_over_allow_and_allow_over_the_default(cell: CellKey, default: str, rules_given: list[Rule]) -> None:
    everything: Rule = {"action": "deny", "source": "any", "destination": "any"}
    assert is_allowed(cell, default, [*rules_given, everything]) is False
    assert is_allowed(cell, default, [allows(rule) for rule in rules_given] + [allows(everything)]) is True
    # Where a rule applies, the default has no say.
    if is_allowed(cell, "allow", rules_given) is is_allowed(cell, "deny", rules_given):
        return
    assert all(is_allowed(cell, "allow", [denies(rule)]) for rule in rules_given)


@given(cells, defaults, rules())
def test_a_rule_acts_exactly_on_what_it_applies_to(cell: CellKey, default: str, rule: Rule) -> None:
    denied = not is_allowed(cell, "allow", [denies(rule)])
    allowed = is_allowed(cell, "deny", [allows(rule)])
    assert denied is allowed
    assert is_allowed(cell, default, [rule]) is (rule["action"] == "allow" if denied else default == "allow")


@pytest.mark.parametrize(
    ("limits", "applies"),
    [
        ({}, True),
        ({"source": "machine:m1", "destination": "machine:m2"}, True),
        ({"source": "machine:m2", "destination": "machine:m1"}, False),
        ({"source": "group:red"}, True),
        ({"source": "group:green"}, False),
        ({"destination": "group:blue"}, True),
        ({"destination": "group:red"}, False),
        ({"source": "group:m1"}, False),
        ({"source": "machine:red"}, False),
        ({"source": "group:"}, False),
        ({"source": "red"}, False),
        ({"protocol": "any"}, True),
        ({"protocol": "tcp"}, True),
        ({"protocol": "udp"}, False),
        ({"protocol": "icmp"}, False),
        ({"protocol": "tcp", "ports": "all"}, True),
        ({"protocol": "tcp", "ports": ""}, True),
        ({"protocol": "tcp", "ports": "22"}, True),
        ({"protocol": "tcp", "ports": "21,23"}, False),
        ({"protocol": "tcp", "ports": "80,20-22"}, True),
        ({"protocol": "tcp", "ports": "22-80"}, True),
        ({"protocol": "tcp", "ports": "23-80"}, False),
        ({"protocol": "udp", "ports": "22"}, False),
    ],
    ids=str,
)
def test_a_rule_applies_to_what_its_fields_name(limits: dict[str, str], applies: bool) -> None:
    rule: Rule = {"action": "deny", "source": "any", "destination": "any", **limits}
    assert is_allowed(SSH, "allow", [rule]) is not applies


def test_a_rule_applies_to_the_direction_of_opening() -> None:
    rule: Rule = {"action": "deny", "source": "machine:m1", "destination": "machine:m2"}
    assert not is_allowed(CellKey(ONE, TWO, PortProtocol("icmp")), "allow", [rule])
    assert is_allowed(CellKey(TWO, ONE, PortProtocol("icmp")), "allow", [rule])


def test_a_rule_for_ports_does_not_apply_to_icmp() -> None:
    assert is_allowed(
        replace(SSH, service=PortProtocol("icmp")),
        "allow",
        [{"action": "deny", "source": "any", "destination": "any", "ports": "22"}],
    )


@dataclass
class FakeProber:
    """A prober that returns the expected verdicts, apart from some cells.

    Attributes:
        differs: cells whose verdict is the wrong one.
        measured: cells that were measured.
    """

    questions: Sequence[CellKey]
    differs: Sequence[CellKey] = ()
    measured: list[CellKey] = field(default_factory=list)

    def cells(self) -> list[CellKey]:
        return list(self.questions)

    def measure(self, expected: dict[CellKey, bool]) -> dict[CellKey, bool]:
        self.measured = list(expected)
        return {cell: expected[cell] is not (cell in self.differs) for cell in expected}


@dataclass
class FakeMesh:
    """A policy and a record, in place of a mesh."""

    default: str = "allow"
    rules: tuple[Rule, ...] = ()
    record: Record = field(default_factory=Record)

    def describe_policy(self, default: str, rules: tuple[Rule, ...]) -> str:
        return f"{default}, {len(rules)} rules"


def check(mesh: FakeMesh, prober: FakeProber) -> int:
    """Checks a table without a lab."""
    return truth.check(cast(Mesh, mesh), cast(Prober, prober))


TABLE = [
    CellKey(a, b, service)
    for a, b in ((ONE, TWO), (TWO, ONE))
    for service in (PortProtocol("tcp", 22), PortProtocol("icmp"))
]
ONE_WAY: Rule = {"action": "deny", "source": "machine:m1", "destination": "machine:m2"}


def test_a_table_that_agrees_returns_the_number_of_denied_cells() -> None:
    prober = FakeProber(TABLE)
    assert check(FakeMesh(rules=(ONE_WAY,)), prober) == 2
    assert prober.measured == TABLE
    assert check(FakeMesh(default="deny"), FakeProber(TABLE)) == 4
    assert check(FakeMesh(), FakeProber(TABLE)) == 0


@pytest.mark.parametrize(
    ("differs", "words"),
    [
        ([TABLE[0]], "machine-1→machine-2 tcp/22: arrived, though denied"),
        ([TABLE[3]], "machine-2→machine-1 icmp: did not arrive, though allowed"),
        (TABLE, "4 of 4 cells differ"),
        ([TABLE[0]], r"machine-1→machine-2  DENIED, ARRIVED  "),
        ([TABLE[3]], r"machine-2→machine-1  allowed  ALLOWED, LOST$"),
    ],
)
def test_one_cell_that_differs_refutes(differs: list[CellKey], words: str) -> None:
    with pytest.raises(Refuted, match=words):
        check(FakeMesh(rules=(ONE_WAY,)), FakeProber(TABLE, differs))


def test_every_table_is_recorded_even_one_that_refutes() -> None:
    mesh = FakeMesh(rules=(ONE_WAY,))
    with pytest.raises(Refuted):
        check(mesh, FakeProber(TABLE, [TABLE[0]]))
    (shown,) = mesh.record.exhibits()
    assert isinstance(shown, TruthTable)
    assert (shown.policy, shown.columns) == ("allow, 1 rules", ["tcp/22", "icmp"])
    assert [(row.source, row.destination) for row in shown.rows] == [
        ("machine-1", "machine-2"),
        ("machine-2", "machine-1"),
    ]
    assert list(shown.wrong) == ["machine-1→machine-2 tcp/22"]


def test_an_empty_table_is_inconclusive() -> None:
    with pytest.raises(Inconclusive):
        check(FakeMesh(), FakeProber([]))
