"""Machines and their configurations."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Annotated

import msgspec

from appliance.model.access import CHANGE, LOOK
from appliance.model.errors import Invalid, NotEnforced, NotNow, PlanLimit
from appliance.model.names import LONGEST_NAME
from appliance.service import machine_search, machines, pings
from appliance.service.machine_bounds import MOST_GROUP_CHARACTERS, MOST_GROUPS
from appliance.service.machine_search import Search
from appliance.service.machine_versions import Condition, version_of
from appliance.service.machines import IssuedMachine
from appliance.service.observed import ObservedMachine
from appliance.store.times import rfc3339
from appliance.web import conditions
from appliance.web.api import paging
from appliance.web.api.routes import ApiCall, Route
from appliance.web.api.schemas import Body, Unshown, text

Name = Annotated[str, text("One line, unique within the organization.", LONGEST_NAME, examples=["branch-mumbai"])]
Groups = Annotated[
    list[Annotated[str, text("Name of a group.", LONGEST_NAME)]],
    msgspec.Meta(
        description=f"Names that rules can refer to: at most {MOST_GROUPS}, "
        f"of {MOST_GROUP_CHARACTERS:,} characters together.",
        examples=[["branches", "asia"]],
    ),
]
PublicKey = Annotated[
    str,
    msgspec.Meta(description="A WireGuard public key of your own, so that the service never sees the private one."),
]


Enabled = Annotated[
    bool,
    msgspec.Meta(
        description="False ends its tunnel and stops its meter; it keeps name, address, key and rules. True lets it "
        "connect again with the configuration that it has."
    ),
]


_SEARCH = ("query", "group", "state")
"""Query parameters of a search in the list of machines."""


class AddMachine(Body, frozen=True):
    name: Name
    groups: Groups = msgspec.field(default_factory=list)
    public_key: PublicKey | None = None


class ChangeMachine(Body, frozen=True):
    name: Name | None = None
    groups: Groups | None = None
    enabled: Enabled | None = None


class RotateMachine(Body, frozen=True):
    public_key: PublicKey | None = None


class MachineAnswer(msgspec.Struct, frozen=True):
    id: str
    name: str
    file_name: Annotated[
        str,
        msgspec.Meta(
            description="File name of its configuration, unique within the organization.",
            examples=["branch-mumbai.conf"],
        ),
    ]
    address: Annotated[str, msgspec.Meta(description="In the overlay network.", examples=["10.100.0.2"])]
    public_key: str
    groups: list[str]
    enabled: bool
    created_at: str
    online: bool
    last_handshake: str | None
    received_bytes: int
    sent_bytes: int

    @classmethod
    def of(cls, seen: ObservedMachine) -> MachineAnswer:
        machine, status = seen.machine, seen.status
        return cls(
            id=machine.id,
            name=machine.name,
            file_name=machine.file_name,
            address=str(machine.address),
            public_key=machine.public_key,
            groups=list(machine.groups),
            enabled=machine.enabled,
            created_at=rfc3339(machine.created_at),
            online=seen.online,
            last_handshake=(
                rfc3339(datetime.fromtimestamp(status.last_handshake, timezone.utc))
                if status is not None and status.last_handshake
                else None
            ),
            received_bytes=status.received_bytes if status is not None else 0,
            sent_bytes=status.sent_bytes if status is not None else 0,
        )


class IssuedAnswer(Unshown, frozen=True):
    machine: MachineAnswer
    config: Annotated[
        str,
        msgspec.Meta(
            description="For wg-quick, shown once. With a public key of your own, put the private key into it."
        ),
    ]

    @classmethod
    def of(cls, issued: IssuedMachine) -> IssuedAnswer:
        return cls(MachineAnswer.of(ObservedMachine(issued.machine, None, online=False)), issued.configuration.text())


class PingAnswer(msgspec.Struct, frozen=True):
    milliseconds: Annotated[
        float | None,
        msgspec.Meta(description="Until its reply. Null: it did not reply within two seconds, as many machines don't."),
    ]


class MachinesAnswer(msgspec.Struct, frozen=True):
    machines: list[MachineAnswer]
    next: str | None


def _add_machine(call: ApiCall) -> IssuedAnswer:
    body: AddMachine = call.body
    call.site.limits.configuration(call.request.address, call.actor.organization_id)
    issued = machines.add(
        call.context, call.actor, name=body.name, groups=body.groups, public_key=body.public_key, force=call.is_forced
    )
    return IssuedAnswer.of(issued)


def _machines(call: ApiCall) -> MachinesAnswer:
    search = Search.parse(*(call.query.get(name, "") for name in _SEARCH))
    seen, following = machine_search.page(
        call.context, call.actor, search, after=call.query.get("after"), limit=paging.limit_of(call)
    )
    return MachinesAnswer([MachineAnswer.of(each) for each in seen], following)


def _machine(call: ApiCall) -> MachineAnswer:
    return MachineAnswer.of(machines.get(call.context, call.actor, call.parameters["id"]))


def _change_machine(call: ApiCall) -> MachineAnswer:
    body: ChangeMachine = call.body
    if body.enabled:
        call.site.limits.enabling(call.request.address, call.actor.organization_id)
    changed = machines.change(
        call.context,
        call.actor,
        call.parameters["id"],
        name=body.name,
        groups=body.groups,
        enabled=body.enabled,
        seen=_seen(call),
        force=call.is_forced,
    )
    return MachineAnswer.of(changed)


def _rotate_machine(call: ApiCall) -> IssuedAnswer:
    body: RotateMachine = call.body
    call.site.limits.configuration(call.request.address, call.actor.organization_id)
    issued = machines.rotate(
        call.context, call.actor, call.parameters["id"], public_key=body.public_key, seen=_seen(call)
    )
    return IssuedAnswer.of(issued)


def _ping_machine(call: ApiCall) -> PingAnswer:
    call.site.limits.ping(call.request.address, call.actor.organization_id)
    return PingAnswer(pings.ping(call.context, call.actor, call.parameters["id"]))


def _remove_machine(call: ApiCall) -> None:
    machines.remove(call.context, call.actor, call.parameters["id"], seen=_seen(call))


def _seen(call: ApiCall) -> Condition | None:
    """Make the request's condition (If-Match); None if it has none."""
    versions = conditions.versions_seen(call.request)
    return None if versions is None else lambda machine: version_of(machine) in versions


def _tag(answer: MachineAnswer) -> str:
    """Make a tag whose version is what people can change."""
    return conditions.tag_of(version_of(answer), msgspec.json.encode(answer))


def _where(issued: IssuedAnswer) -> str:
    return f"/machines/{issued.machine.id}"


ROUTES = (
    Route(
        "POST",
        "/machines",
        "Add a machine",
        _add_machine,
        AddMachine,
        IssuedAnswer,
        201,
        query=("force",),
        access=CHANGE,
        made=_where,
        refusals=(NotEnforced, PlanLimit),
    ),
    Route(
        "GET",
        "/machines",
        "The machines",
        _machines,
        answer=MachinesAnswer,
        query=(*_SEARCH, *paging.QUERY),
        access=LOOK,
    ),
    Route("GET", "/machines/{id}", "A machine", _machine, answer=MachineAnswer, access=LOOK, etag=_tag),
    Route(
        "PATCH",
        "/machines/{id}",
        "Rename, regroup, disable or enable",
        _change_machine,
        ChangeMachine,
        MachineAnswer,
        query=("force",),
        access=CHANGE,
        takes_condition=True,
        etag=_tag,
        refusals=(NotEnforced,),
    ),
    Route(
        "POST",
        "/machines/{id}/rotate",
        "Replace the key; the old one stops at once",
        _rotate_machine,
        RotateMachine,
        IssuedAnswer,
        access=CHANGE,
        made=_where,
        takes_condition=True,
        refusals=(NotEnforced,),
    ),
    Route(
        "POST",
        "/machines/{id}/ping",
        "Ping it from the hub, whatever the policy says",
        _ping_machine,
        answer=PingAnswer,
        access=CHANGE,
        keeps_answer=True,
        refusals=(NotNow,),
    ),
    Route(
        "DELETE",
        "/machines/{id}",
        "Remove a machine",
        _remove_machine,
        status=204,
        access=CHANGE,
        takes_condition=True,
        refusals=(Invalid, NotEnforced),
    ),
)
