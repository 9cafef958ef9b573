"""API tokens."""

from __future__ import annotations

from typing import Annotated

import msgspec

from appliance.model.access import SELF
from appliance.model.errors import CodeNeeded, NotNow, Unverified
from appliance.service import api_tokens
from appliance.store.api_tokens import ApiToken
from appliance.store.times import rfc3339
from appliance.web.api import paging
from appliance.web.api.routes import ApiCall, Route
from appliance.web.api.schemas import Body, Code, Unshown, text


class IssueToken(Body, frozen=True):
    name: Annotated[str, text("Tells it from your other tokens.", api_tokens.LONGEST_NAME, examples=["backup"])]
    password: Annotated[str, msgspec.Meta(description="Your password, as a token gives access for long.")]
    scope: str = "read"
    days: Annotated[
        int,
        msgspec.Meta(
            description="Days until it ends.", extra_json_schema={"minimum": 1, "maximum": api_tokens.LONGEST_DAYS}
        ),
    ] = api_tokens.USUAL_DAYS
    code: Code = None


class TokenAnswer(msgspec.Struct, frozen=True):
    id: str
    name: str
    scope: str
    member: str
    created_at: str
    expires_at: str
    last_used_at: str | None

    @classmethod
    def of(cls, token: ApiToken) -> TokenAnswer:
        return cls(
            id=token.id,
            name=token.name,
            scope=token.scope.value,
            member=token.email,
            created_at=rfc3339(token.created_at),
            expires_at=rfc3339(token.expires_at),
            last_used_at=None if token.last_used_at is None else rfc3339(token.last_used_at),
        )


class IssuedTokenAnswer(Unshown, frozen=True):
    """A new API token. ``token`` goes after ``Authorization: Bearer``, and can't be shown again."""

    token: str
    api_token: TokenAnswer


class TokensAnswer(msgspec.Struct, frozen=True):
    tokens: list[TokenAnswer]
    next: str | None


def _issue_token(call: ApiCall) -> IssuedTokenAnswer:
    body: IssueToken = call.body
    issued = api_tokens.issue(
        call.context,
        call.actor,
        password=body.password,
        name=body.name,
        scope=body.scope,
        days=body.days,
        code=body.code,
        device=call.request.device,
    )
    return IssuedTokenAnswer(issued.text, TokenAnswer.of(issued.token))


def _tokens(call: ApiCall) -> TokensAnswer:
    return TokensAnswer(*paging.page_from(call, api_tokens.page, TokenAnswer.of))


def _revoke_token(call: ApiCall) -> None:
    api_tokens.revoke(call.context, call.actor, call.parameters["id"])


ROUTES = (
    Route(
        "POST",
        "/tokens",
        "Create an API token",
        _issue_token,
        IssueToken,
        IssuedTokenAnswer,
        201,
        access=SELF,
        asks_for_proof=True,
        refusals=(CodeNeeded, NotNow, Unverified),
    ),
    Route(
        "GET",
        "/tokens",
        "Your tokens, and for an owner everybody's",
        _tokens,
        answer=TokensAnswer,
        query=paging.QUERY,
        access=SELF,
    ),
    Route("DELETE", "/tokens/{id}", "Revoke a token", _revoke_token, status=204, access=SELF),
)
