"""Truth tables of probes whose outcome is given."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import cast

import pytest

from harness.judging.record import Record
from harness.judging.verdicts import Inconclusive, Refuted
from harness.overlay.mesh import Mesh, Rule
from harness.overlay.prober import Measured, Prober
from harness.overlay.probes import Probe
from harness.overlay.tables import Counted, Tables
from harness.overlay.truth import PortProtocol
from reports.exhibits import TruthTable
from tests.harness.overlay.test_truth import ONE, TWO

SERVICES = (PortProtocol("tcp", 22), PortProtocol("icmp"))
ONE_WAY: Rule = {"action": "deny", "source": "machine:m1", "destination": "machine:m2"}


def never(_: Probe) -> bool:
    """False for every probe."""
    return False


@dataclass
class FakeProber:
    """A prober that returns the expected outcome, apart from some probes.

    Attributes:
        arrives: True for probes whose arrival is not as expected.
        answers: True for probes whose answer is not as expected.
    """

    arrives: Callable[[Probe], bool] = never
    answers: Callable[[Probe], bool] = never
    measured: list[Probe] = field(default_factory=list)

    def measure(self, expected: Mapping[Probe, bool]) -> Measured:
        self.measured = list(expected)
        return Measured(
            {each for each, allowed in expected.items() if allowed is not self.arrives(each)},
            {each for each, allowed in expected.items() if each.has_answer and allowed is not self.answers(each)},
        )


@dataclass
class FakeMesh:
    """A policy and a record, in place of a mesh."""

    default: str = "allow"
    rules: tuple[Rule, ...] = ()
    record: Record = field(default_factory=Record)

    def describe_policy(self, default: str, rules: tuple[Rule, ...]) -> str:
        return f"{default}, {len(rules)} rules"


def check(mesh: FakeMesh, prober: FakeProber, *machines: object) -> Counted:
    """Checks a table of two machines without a lab."""
    tables = Tables(cast(Mesh, mesh), SERVICES, random.Random("tables"), prober=cast(Prober, prober))
    return tables.check([ONE, TWO] if not machines else [])


def is_ssh(probe: Probe) -> bool:
    """True for SSH from the first machine."""
    return probe.cell.source is ONE and probe.cell.service == SERVICES[0]


def test_a_table_that_agrees_returns_numbers_of_probes() -> None:
    prober = FakeProber()
    one_way = check(FakeMesh(rules=(ONE_WAY,)), prober)
    assert one_way.allowed > 100 < one_way.denied
    assert check(FakeMesh(default="deny"), prober).allowed == 0
    assert check(FakeMesh(), prober).denied == 0


@pytest.mark.parametrize(
    ("prober", "words"),
    [
        (FakeProber(arrives=is_ssh), r"machine-1→machine-2 tcp/22 from \d+: arrived, though denied"),
        (FakeProber(arrives=is_ssh), r"machine-1→machine-2  DENIED, 2 OF 2 ARRIVED  denied"),
        (FakeProber(answers=is_ssh), r"tcp/22 from \d+: an answer to it came back, though denied"),
        (FakeProber(arrives=lambda each: each.cell.source is TWO), "tcp/22 from .* did not arrive, though allowed"),
        (FakeProber(answers=lambda each: each.cell.source is TWO), "icmp: its answer was dropped"),
        (FakeProber(arrives=lambda each: each.cell.service.kind == 5), "icmp type 5: arrived, though denied"),
    ],
)
def test_one_probe_that_differs_refutes(prober: FakeProber, words: str) -> None:
    with pytest.raises(Refuted, match=words):
        check(FakeMesh(rules=(ONE_WAY,)), prober)


@pytest.mark.parametrize("number", ["33", "58", "132", "136"])
def test_protocols_tracked_by_header_count_where_denied(number: str) -> None:
    prober = FakeProber()
    check(FakeMesh(), prober)
    assert number not in {each.cell.service.protocol for each in prober.measured}
    check(FakeMesh(default="deny"), prober)
    assert number in {each.cell.service.protocol for each in prober.measured}


def test_every_table_is_recorded_even_one_that_refutes() -> None:
    mesh = FakeMesh(rules=(ONE_WAY,))
    with pytest.raises(Refuted):
        check(mesh, FakeProber(arrives=is_ssh))
    (shown,) = mesh.record.exhibits()
    assert isinstance(shown, TruthTable)
    assert (shown.policy, shown.columns[:2]) == ("allow, 1 rules", ["tcp/22", "icmp"])
    assert [(row.source, row.destination) for row in shown.rows] == [
        ("machine-1", "machine-2"),
        ("machine-2", "machine-1"),
    ]
    assert list(shown.wrong) == ["machine-1→machine-2 tcp/22"]


def test_an_empty_table_is_inconclusive() -> None:
    with pytest.raises(Inconclusive):
        check(FakeMesh(), FakeProber(), "none")
