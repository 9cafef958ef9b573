"""Records of figures, violations and controls."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.judging.record import Record
from harness.judging.verdicts import Inconclusive, Refuted
from netlab import CommandFailed, NothingArrived
from reports.certificates import Certificate, DoorCertificate, EngineRun


@pytest.fixture
def record() -> Record:
    return Record()


@pytest.mark.parametrize(
    ("given", "noted"),
    [
        ((7,), 7),
        (("wireguard-go",), "wireguard-go"),
        ((True,), True),
        ((None,), None),
        (([1, 2],), [1, 2]),
        ((0.12345678,), 0.123457),
        ((0.25, "s"), {"value": 0.25, "unit": "s"}),
        ((3, "packets", 0), {"value": 3, "unit": "packets", "limit": 0}),
        ((3, "", ">= 2"), {"value": 3, "unit": "", "limit": ">= 2"}),
    ],
)
def test_a_figure_has_a_unit_and_a_limit_where_they_were_given(
    record: Record, given: tuple[Any, ...], noted: Any
) -> None:
    record.measure("it", *given)
    assert record.measured == {"it": noted}


@given(st.integers(-5, 5), st.integers(-5, 5))
def test_too_small_a_figure_shows_nothing(value: int, least: int) -> None:
    record = Record()
    if value >= least:
        record.at_least("packets", value, least, "packets")
    else:
        with pytest.raises(Inconclusive, match=f"packets: {value} packets, and at least {least} are needed"):
            record.at_least("packets", value, least, "packets")
    # The figure is recorded in both cases, so that the page shows it.
    assert record.measured == {"packets": {"value": value, "unit": "packets", "limit": f">= {least}"}}


@given(st.lists(st.integers(), max_size=12))
def test_one_violation_refutes_the_claim(violations: list[int]) -> None:
    record = Record()
    if violations:
        with pytest.raises(Refuted, match=f"^packets leaked: {len(violations)} ") as refuted:
            record.none_of("leaks", violations, "packets leaked")
        shown = str(refuted.value).partition("(")[2].removesuffix(")").split(", ")
        assert shown == [str(each) for each in violations[:5]] + ["…"] * (len(violations) > 5)
    else:
        record.none_of("leaks", violations, "packets leaked")
    assert record.measured == {"leaks": {"value": len(violations), "unit": "", "limit": 0}}


def test_a_control_that_holds_is_noted(record: Record) -> None:
    with record.control("the probe sees what is allowed"):
        pass
    assert record.controls == ["held: the probe sees what is allowed"]


@pytest.mark.parametrize(
    "error", [AssertionError("it did not"), Refuted("nothing came"), NothingArrived("a packet", 2.0)]
)
def test_a_control_that_does_not_hold_shows_nothing(record: Record, error: Exception) -> None:
    words = "control failed: the probe sees what is allowed"
    with pytest.raises(Inconclusive, match=words) as raised, record.control("the probe sees what is allowed"):
        raise error
    assert str(error) in str(raised.value)
    assert raised.value.__cause__ is error
    assert record.controls == ["failed: the probe sees what is allowed"]
    # Otherwise a probe that sees nothing would refute a claim.
    assert not isinstance(raised.value, Refuted)


def test_an_unexpected_error_in_a_control_is_raised_unchanged(record: Record) -> None:
    with pytest.raises(CommandFailed), record.control("the probe sees what is allowed"):
        raise CommandFailed("mumbai", ["ip"], 1, "", "no")
    assert record.controls == []


def test_records_share_no_state() -> None:
    Record().measure("it", 1)
    assert Record().measured == {}
    with Record().control("it"):
        pass
    assert Record().controls == []


def _certificate(*wrong: str) -> Certificate:
    return Certificate(
        "acme", 2, 1, "0" * 64, "f" * 64, "6.1.0", [EngineRun("atoms", 40, "classes of packets", 0.1)], [], list(wrong)
    )


def test_a_proof_that_refutes_is_shown_first(record: Record) -> None:
    for _ in range(5):
        record.proved(_certificate())
    with pytest.raises(Refuted, match="the kernel does not do what the policy says: 1 \\(a packet\\)"):
        record.proved(_certificate("a packet"))
    assert record.exhibits() == [_certificate("a packet"), *[_certificate()] * 3]
    assert record.measured["packets with a wrong fate"] == {"value": 1, "unit": "", "limit": 0}


def test_a_front_door_that_leads_astray_refutes(record: Record) -> None:
    engines = [EngineRun("z3", 60, "rules in one formula", 0.1)]
    door = DoorCertificate("door", 2, 60, "f" * 64, "6.1.0", engines, ["a claim"], [], ["a datagram"])
    with pytest.raises(Refuted, match="the front door does not do what is claimed: 1 \\(a datagram\\)"):
        record.proved_door(door)
    assert record.exhibits() == [door]
    assert (door.holds, door.numbers()["front door: datagrams led astray"]) == (False, 1)


def test_chances_of_violations_add_up() -> None:
    record = Record()
    for _ in range(2):
        record.none_of("leaks", [], "packets leaked", of=150)
    assert record.measured == {"leaks": {"value": 0, "unit": "", "limit": 0, "of": 300}}


def test_violations_without_a_chance_show_nothing() -> None:
    record = Record()
    with pytest.raises(Inconclusive, match="leaks: there was no chance of one"):
        record.none_of("leaks", [], "packets leaked", of=0)
