"""Claims and kinds of fault whose resolution is measured, and the scenarios that have to find each."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from harness.sabotage.calibrated import BY_NAME, Kind

_HEARS, _CUT, _TABLE = (
    "test_a_denied_machine_hears_nothing",
    "test_a_running_connection_is_cut_with_the_next_packet",
    "test_every_pair_protocol_and_port_follows_the_policy",
)
_CHURN = "test_each_change_takes_effect_on_running_connections"
_CHURN_TABLES = ("test_each_kind_of_change_takes_effect", "test_any_history_of_changes_ends_as_the_policy_says")
_LIVE = ("test_streams_without_a_changed_rule_lose_nothing", "test_unrelated_changes_cost_a_stream_no_packet")
_LOST = ("packets that are allowed were lost", "is allowed, and nothing arrives", "cells differ", "did not land")
_LEAKED = ("delivered", "data crossed", "answers crossed", "cells differ", "did not land")
# What is allowed late is lost until then.
_LATE = (*_LEAKED, "packets that are allowed were lost", "is allowed, and nothing arrives")


@dataclass(frozen=True)
class Target:
    """A kind of fault that a claim excludes.

    Attributes:
        claim: id of the claim.
        kind: kind of the sabotage.
        scenarios: scenarios of the claim that have to find it, by traffic; proofs of the rules would find any leak.
        says: texts of which the refutation has one, so that no other defect counts.
    """

    claim: str
    kind: Kind
    scenarios: tuple[str, ...]
    says: tuple[str, ...]

    @property
    def name(self) -> str:
        """Claim and kind in one word."""
        return f"{self.claim}/{self.kind.name}"


@dataclass(frozen=True)
class Cell:
    """A target with a value of its kind; None for the product itself, which shows how often the scenarios are wrong."""

    target: Target
    value: int | None

    @property
    def sabotage(self) -> str | None:
        """Id of the sabotage."""
        return None if self.value is None else self.target.kind.sabotage_id(self.value)


def _target(claim: str, kind: str, scenarios: tuple[str, ...], says: tuple[str, ...]) -> Target:
    return Target(claim, BY_NAME[kind], scenarios, says)


TARGETS = (
    _target("policy-enforcement", "late", (_HEARS, _CUT), _LATE),
    _target("policy-enforcement", "leak", (_HEARS, _CUT, _TABLE), _LEAKED),
    _target("live-change", "late", _LIVE[:1], _LATE),
    _target("live-change", "leak", _LIVE[:1], _LEAKED),
    _target("live-change", "stall", _LIVE, _LOST),
    _target("live-change", "loss", _LIVE, _LOST),
    _target("policy-churn", "late", (_CHURN,), _LATE),
    _target("policy-churn", "leak", (_CHURN, *_CHURN_TABLES), _LEAKED),
    _target("policy-churn", "stall", (_CHURN,), _LOST),
    _target("policy-churn", "loss", (_CHURN, *_CHURN_TABLES), _LOST),
    _target(
        "org-isolation",
        "leak-across",
        ("test_organizations_with_equal_addresses_stay_apart",),
        ("saw another organization's packets",),
    ),
    _target("no-egress", "leak-outside", ("test_no_packet_leaves_the_mesh",), ("packets left the mesh",)),
    _target(
        "self-healing",
        "leak",
        ("test_damage_is_mended_and_nothing_denied_gets_through",),
        ("packets sent after the answer that denies them were delivered",),
    ),
)


def cells(targets: Sequence[Target]) -> Iterator[Cell]:
    """Yields the cells of targets, each with the largest fault first, and the product itself last."""
    for target in targets:
        for value in target.kind.values:
            yield Cell(target, value)
        yield Cell(target, None)
