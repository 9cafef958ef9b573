"""Preview of a policy."""

from __future__ import annotations

from typing import Annotated

import msgspec

from appliance.model.access import LOOK
from appliance.model.port_ranges import format_ports
from appliance.model.preview import MOST_ENTRIES, PreviewEntry
from appliance.model.services import ServiceProtocol
from appliance.service.policy_preview import preview
from appliance.web.api.policy import SavePolicy, policy_of
from appliance.web.api.routes import ApiCall, Route

_Left = Annotated[int, msgspec.Meta(description="Number of further entries, for fewer pairs of machines.")]


class PreviewEntryAnswer(msgspec.Struct, frozen=True):
    sources: Annotated[list[str], msgspec.Meta(description="Ids of the machines that open connections.")]
    destinations: Annotated[
        list[str], msgspec.Meta(description="Ids of machines; each source opens to each other machine of these.")
    ]
    protocol: Annotated[
        str,
        msgspec.Meta(
            description="`any` is every protocol, `other` every one but tcp, udp and icmp.",
            extra_json_schema={"enum": [each.value for each in ServiceProtocol]},
        ),
    ]
    ports: Annotated[str, msgspec.Meta(description="Ports of tcp and udp, or `all`.", examples=["22,8000-8100"])]
    pairs: Annotated[int, msgspec.Meta(description="Number of pairs of different machines.")]

    @classmethod
    def of(cls, entry: PreviewEntry) -> PreviewEntryAnswer:
        return cls(
            list(entry.sources),
            list(entry.destinations),
            entry.services.protocol.value,
            format_ports(entry.services.ports),
            entry.pairs,
        )


_Entries = Annotated[
    list[PreviewEntryAnswer],
    msgspec.Meta(description=f"At most {MOST_ENTRIES} entries, those for the most pairs of machines first."),
]


class PreviewAnswer(msgspec.Struct, frozen=True):
    opens: _Entries
    closes: _Entries
    opens_left_out: _Left
    closes_left_out: _Left
    not_compared: Annotated[
        int, msgspec.Meta(description="Number of pairs of machines that were not compared: it would take too long.")
    ]


def _preview_policy(call: ApiCall) -> PreviewAnswer:
    body: SavePolicy = call.body
    found = preview(call.context, call.actor, policy_of(body), version=body.version)
    return PreviewAnswer(
        [PreviewEntryAnswer.of(entry) for entry in found.opens.entries],
        [PreviewEntryAnswer.of(entry) for entry in found.closes.entries],
        found.opens.left_out,
        found.closes.left_out,
        found.not_compared,
    )


ROUTES = (
    Route(
        "POST",
        "/policy/preview",
        "List what a policy would open and close, and save nothing",
        _preview_policy,
        SavePolicy,
        PreviewAnswer,
        access=LOOK,
        keeps_answer=True,
    ),
)
