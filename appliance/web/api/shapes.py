"""What bodies and answers look like; decoding checks them, and the OpenAPI document shows them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timezone
from typing import Any

import msgspec

from appliance.model.desired import RuleCount
from appliance.model.organization import AuditEntry, Organization
from appliance.model.policy import Rule, format_ports
from appliance.service import Workplace
from appliance.service.machines import Issued, Seen
from appliance.service.usage import Month
from appliance.store.policies import Saved


class Body(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a caller sends. A field that nobody knows is a mistake worth telling."""


class SignUp(Body, frozen=True):
    email: str
    password: str
    organization: str
    network: str | None = None


class LogIn(Body, frozen=True):
    email: str
    password: str
    code: str | None = None


class ChangeOrganization(Body, frozen=True):
    name: str | None = None
    plan: str | None = None


class DeleteOrganization(Body, frozen=True):
    confirm: str


class AddMachine(Body, frozen=True):
    name: str
    groups: list[str] = []
    public_key: str | None = None


class ChangeMachine(Body, frozen=True):
    name: str | None = None
    groups: list[str] | None = None


class RotateMachine(Body, frozen=True):
    public_key: str | None = None


class RuleBody(Body, frozen=True):
    action: str
    source: str
    destination: str
    protocol: str = "any"
    ports: str | None = None
    description: str = ""
    id: str | None = None


class SavePolicy(Body, frozen=True):
    default: str
    rules: list[RuleBody]
    version: int | None = None


class CheckPolicy(Body, frozen=True):
    source: str
    destination: str
    protocol: str | None = None
    port: int | None = None


class OrganizationAnswer(msgspec.Struct, frozen=True):
    id: str
    name: str
    network: str
    endpoint: str
    hub_public_key: str
    plan: str
    machine_limit: int | None
    created_at: str

    @classmethod
    def of(cls, organization: Organization, workplace: Workplace) -> OrganizationAnswer:
        return cls(
            id=organization.id,
            name=organization.name,
            network=str(organization.network),
            endpoint=workplace.endpoint,
            hub_public_key=organization.hub_public_key,
            plan=organization.plan.value,
            machine_limit=organization.plan.machine_limit,
            created_at=moment(organization.created_at),
        )


class SignedUp(msgspec.Struct, frozen=True):
    token: str
    organization: OrganizationAnswer


class SessionAnswer(msgspec.Struct, frozen=True):
    token: str
    expires_at: str


class Removed(msgspec.Struct, frozen=True):
    removed: dict[str, int]


class MachineAnswer(msgspec.Struct, frozen=True):
    id: str
    name: str
    address: str
    public_key: str
    groups: list[str]
    created_at: str
    online: bool
    last_handshake: str | None
    received_bytes: int
    sent_bytes: int

    @classmethod
    def of(cls, seen: Seen) -> MachineAnswer:
        machine, status = seen.machine, seen.status
        return cls(
            id=machine.id,
            name=machine.name,
            address=str(machine.address),
            public_key=machine.public_key,
            groups=list(machine.groups),
            created_at=moment(machine.created_at),
            online=seen.online,
            last_handshake=(
                moment(datetime.fromtimestamp(status.last_handshake, timezone.utc))
                if status is not None and status.last_handshake
                else None
            ),
            received_bytes=status.received_bytes if status is not None else 0,
            sent_bytes=status.sent_bytes if status is not None else 0,
        )


class IssuedAnswer(msgspec.Struct, frozen=True):
    machine: MachineAnswer
    config: str

    @classmethod
    def of(cls, issued: Issued) -> IssuedAnswer:
        return cls(MachineAnswer.of(Seen(issued.machine, None, online=False)), issued.configuration.text())


class MachinesAnswer(msgspec.Struct, frozen=True):
    machines: list[MachineAnswer]
    next: str | None


class RuleAnswer(msgspec.Struct, frozen=True):
    id: str
    action: str
    source: str
    destination: str
    protocol: str
    ports: str
    description: str

    @classmethod
    def of(cls, rule: Rule) -> RuleAnswer:
        return cls(
            id=rule.id,
            action=rule.action.value,
            source=str(rule.source),
            destination=str(rule.destination),
            protocol=rule.protocol.value,
            ports=format_ports(rule.ports),
            description=rule.description,
        )


class PolicyAnswer(msgspec.Struct, frozen=True):
    default: str
    rules: list[RuleAnswer]
    version: int

    @classmethod
    def of(cls, saved: Saved) -> PolicyAnswer:
        return cls(saved.policy.default.value, [RuleAnswer.of(rule) for rule in saved.policy.rules], saved.version)


class RuleCountAnswer(msgspec.Struct, frozen=True):
    rule: str
    packets: int
    bytes: int


class CountersAnswer(msgspec.Struct, frozen=True):
    rules: list[RuleCountAnswer]
    unmatched_packets: int
    unmatched_bytes: int

    @classmethod
    def of(cls, counts: Mapping[str | None, RuleCount]) -> CountersAnswer:
        unmatched = counts.get(None)
        return cls(
            [RuleCountAnswer(each.rule, each.packets, each.bytes) for each in counts.values() if each.rule is not None],
            unmatched.packets if unmatched is not None else 0,
            unmatched.bytes if unmatched is not None else 0,
        )


class VerdictAnswer(msgspec.Struct, frozen=True):
    verdict: str
    rule: RuleAnswer | None


class AuditEntryAnswer(msgspec.Struct, frozen=True):
    id: int
    at: str
    actor: str
    action: str
    detail: dict[str, Any]

    @classmethod
    def of(cls, entry: AuditEntry) -> AuditEntryAnswer:
        return cls(entry.id, moment(entry.at), entry.actor, entry.action, entry.detail)


class AuditAnswer(msgspec.Struct, frozen=True):
    entries: list[AuditEntryAnswer]
    next: int | None


class MonthAnswer(msgspec.Struct, frozen=True):
    month: str
    machine_months: float
    amount: float
    currency: str

    @classmethod
    def of(cls, month: Month, currency: str) -> MonthAnswer:
        return cls(month.month, float(month.machine_months), float(month.amount), currency)


class UsageAnswer(msgspec.Struct, frozen=True):
    months: list[MonthAnswer]
    next: str | None


def moment(at: datetime) -> str:
    """RFC 3339, in UTC, to the second."""
    return at.astimezone(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
