"""Areas of the product that are mutated, each with what has to notice a mutant of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from harness.paths import ROOT

_COMPILED = (
    "tests/harness/proof/test_proof.py::test_a_compiled_policy_is_what_the_kernel_does",
    "tests/harness/proof/test_proof.py::test_overlapping_ports_of_rules_add_up",
    "tests/harness/proof/test_proof.py::test_buckets_of_a_hash_are_computed_as_the_kernel_does",
    "tests/harness/proof/test_proof.py::test_any_compiled_policy_is_proven",
    "tests/harness/proof/test_fail_closed.py::test_no_deletion_opens_a_compiled_policy",
)
_PROOF = "scenarios/test_policy_proof.py::test_every_packet_has_the_fate_that_the_policy_says"


@dataclass(frozen=True)
class Area:
    """A part of the product, and its judges.

    Attributes:
        name: value of ``--module``.
        sources: its folders or files, relative to the repository.
        tests: folders or files of its unit tests.
        scenarios: scenarios of the gate that run against a mutant, in this order, until one fails.
        proof: tests that prove what the product compiles. A mutant that they don't refute does the same to all packets.
        has_rules: True if its strings are nftables text.
        has_queries: True if it asks a database.
        is_drawn: True if the gate draws mutants of it, because so few survive that one means a new hole.
        gate_goal: least share of its breaks that the gate has to notice.
        goal: least share that gate and unit tests have to notice together.
    """

    name: str
    sources: tuple[str, ...]
    tests: tuple[str, ...]
    scenarios: tuple[str, ...]
    proof: tuple[str, ...] = ()
    has_rules: bool = False
    has_queries: bool = False
    is_drawn: bool = False
    gate_goal: float = 0.85
    goal: float = 0.97

    def files(self) -> Iterator[Path]:
        """Yields its Python files, in order of their names."""
        for source in self.sources:
            path = ROOT / source
            yield from sorted(path.rglob("*.py")) if path.is_dir() else [path]


AREAS = (
    Area(
        "ruleset",
        ("appliance/hub/ruleset",),
        ("tests/appliance/hub/ruleset",),
        (
            "scenarios/test_policy_proof.py",
            "scenarios/test_no_egress_proof.py",
            "scenarios/test_policy_errors.py",
            "scenarios/test_policy_enforcement.py",
            "scenarios/test_live_change.py",
            "scenarios/test_self_healing.py",
        ),
        _COMPILED,
        has_rules=True,
        is_drawn=True,
        gate_goal=1.0,
        goal=1.0,
    ),
    Area(
        "front-door",
        ("appliance/hub/front_door",),
        ("tests/appliance/hub/front_door",),
        (
            "scenarios/test_org_isolation_proof.py::test_each_datagram_reaches_its_own_link_or_none",
            "scenarios/test_tunnel_handshake.py",
            "scenarios/test_org_isolation_hostile_door.py",
            "scenarios/test_org_isolation_neighbours.py",
            "scenarios/test_self_healing.py",
        ),
        has_rules=True,
        gate_goal=1.0,
        goal=1.0,
    ),
    Area(
        "plane",
        ("appliance/hub/plane",),
        ("tests/appliance/hub/plane", "tests/appliance/hub/test_distrust.py", "tests/appliance/hub/test_giving_up.py"),
        (
            _PROOF,
            "scenarios/test_no_egress_proof.py",
            "scenarios/test_org_isolation_proof.py",
            "scenarios/test_self_healing.py",
            "scenarios/test_crashes.py",
            "scenarios/test_delete_org.py",
        ),
    ),
    Area(
        "service",
        ("appliance/service",),
        ("tests/appliance/service", "tests/appliance/web/api"),
        (
            "scenarios/test_concurrent_adds.py",
            "scenarios/test_delete_org.py",
            "scenarios/test_sign_in.py",
            "scenarios/test_sign_in_endings.py",
            "scenarios/test_sign_in_removal.py",
            "scenarios/test_keys_shown_once.py",
            "scenarios/test_policy_churn.py",
        ),
    ),
    Area(
        "store",
        ("appliance/store",),
        ("tests/appliance/store", "tests/appliance/service"),
        (
            "scenarios/test_concurrent_adds.py",
            "scenarios/test_delete_org.py",
            "scenarios/test_sign_in.py",
            "scenarios/test_sign_in_endings.py",
            "scenarios/test_sign_in_expiry.py",
            "scenarios/test_sign_in_removal.py",
            "scenarios/test_crashes.py",
        ),
        has_queries=True,
    ),
    Area(
        "vault",
        ("appliance/vault",),
        ("tests/appliance/vault", "tests/appliance/hub/test_service.py"),
        ("scenarios/test_keys_at_rest.py", "scenarios/test_keys_shown_once.py"),
        is_drawn=True,
    ),
    Area(
        "web",
        (
            "appliance/web/authentication.py",
            "appliance/web/limits.py",
            "appliance/web/login_guard.py",
            "appliance/web/origin.py",
            "appliance/web/pages/forms.py",
            "appliance/web/pages/public_forms.py",
            "appliance/web/pages/session_cookie.py",
            "appliance/web/pages/signing_in.py",
            "appliance/web/rates.py",
        ),
        ("tests/appliance/web",),
        (
            "scenarios/test_sign_in.py",
            "scenarios/test_sign_in_forms.py",
            "scenarios/test_sign_in_removal.py",
            "scenarios/test_edge_names.py",
        ),
    ),
)
BY_NAME = {area.name: area for area in AREAS}
DRAWN = tuple(area for area in AREAS if area.is_drawn)
"""Areas that the gate draws its mutants from."""
