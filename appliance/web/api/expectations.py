"""Expectations of the policy."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import msgspec

from appliance.model.access import CHANGE, LOOK
from appliance.model.errors import NotEnforced, NotFound
from appliance.model.expectations import Expectation, ExpectationState
from appliance.model.port_ranges import HIGHEST_PORT
from appliance.service import expectations
from appliance.web import conditions
from appliance.web.api.policy import ActionText, End, ProtocolText
from appliance.web.api.routes import ApiCall, Route
from appliance.web.api.schemas import Body

_IGNORED = "Ignored, so that expectations can be sent back."


class ExpectationBody(Body, frozen=True):
    source: End
    destination: End
    verdict: ActionText
    protocol: ProtocolText = "any"
    port: Annotated[
        int | None,
        msgspec.Meta(
            description="Port of tcp or udp; every port if null.",
            extra_json_schema={"minimum": 1, "maximum": HIGHEST_PORT},
        ),
    ] = None
    holds: Annotated[bool | None, msgspec.Meta(description=_IGNORED)] = None
    pairs: Annotated[int | None, msgspec.Meta(description=_IGNORED)] = None

    def parsed(self) -> Expectation:
        """Parse the expectation; raises `Invalid` if a part is not of its form."""
        return Expectation.parse(
            source=self.source,
            destination=self.destination,
            verdict=self.verdict,
            protocol=self.protocol,
            port=self.port,
        )


class ExpectationAnswer(msgspec.Struct, frozen=True):
    source: str
    destination: str
    verdict: str
    protocol: str
    port: int | None
    holds: Annotated[
        bool | None,
        msgspec.Meta(description="Whether the present policy meets it; null if that takes too long to find out."),
    ]
    pairs: Annotated[
        int, msgspec.Meta(description="Number of pairs of machines that it is about; without any it holds.")
    ]

    @classmethod
    def of(cls, state: ExpectationState) -> ExpectationAnswer:
        expectation = state.expectation
        return cls(
            str(expectation.source),
            str(expectation.destination),
            expectation.verdict.value,
            expectation.protocol.value,
            expectation.port,
            state.holds,
            state.pairs,
        )


def _expectations(call: ApiCall) -> list[ExpectationAnswer]:
    return [ExpectationAnswer.of(each) for each in expectations.get(call.context, call.actor)]


def _save_expectations(call: ApiCall) -> list[ExpectationAnswer]:
    body: list[ExpectationBody] = call.body
    seen = conditions.versions_seen(call.request)
    expectations.check_count(len(body))
    saved = expectations.save(call.context, call.actor, [each.parsed() for each in body], seen=seen)
    return [ExpectationAnswer.of(each) for each in saved]


def _tag(answers: Sequence[ExpectationAnswer]) -> str:
    """Make a tag whose version is what is kept, whether it holds or not."""
    kept = (msgspec.convert(answer, ExpectationBody, from_attributes=True) for answer in answers)
    version = expectations.version_of(each.parsed() for each in kept)
    return conditions.tag_of(version, msgspec.json.encode(answers))


ROUTES = (
    Route(
        "GET",
        "/policy/expectations",
        "What the policy should allow or deny, and whether it does",
        _expectations,
        answer=ExpectationAnswer,
        access=LOOK,
        is_list=True,
        etag=_tag,
        refusals=(NotFound,),
    ),
    Route(
        "PUT",
        "/policy/expectations",
        f"Replace the expectations, at most {expectations.MOST}",
        _save_expectations,
        ExpectationBody,
        ExpectationAnswer,
        access=CHANGE,
        is_list=True,
        takes_condition=True,
        etag=_tag,
        refusals=(NotEnforced,),
    ),
)
