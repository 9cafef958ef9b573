"""Tokens for programs."""

from __future__ import annotations

from typing import Annotated

import msgspec

from appliance.model.access import SELF
from appliance.model.errors import CodeNeeded, Unverified
from appliance.service import api_tokens
from appliance.store.api_tokens import ApiToken
from appliance.store.times import rfc3339
from appliance.web.api import paging
from appliance.web.api.routes import Asked, Call
from appliance.web.api.schemas import Body, Code, Unshown


class IssueToken(Body, frozen=True):
    name: str
    password: Annotated[str, msgspec.Meta(description="Yours: a token lets in for long, so it takes a fresh proof.")]
    scope: str = "read"
    days: int = api_tokens.USUAL_DAYS
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
    """``token`` is what goes after ``Authorization: Bearer``, shown here once."""

    token: str
    api_token: TokenAnswer


class TokensAnswer(msgspec.Struct, frozen=True):
    tokens: list[TokenAnswer]
    next: str | None


def _issue_token(asked: Asked) -> IssuedTokenAnswer:
    body: IssueToken = asked.body
    issued = api_tokens.issue(
        asked.site.context,
        asked.actor,
        password=body.password,
        name=body.name,
        scope=body.scope,
        days=body.days,
        code=body.code,
        device=asked.request.device,
    )
    return IssuedTokenAnswer(issued.text, TokenAnswer.of(issued.token))


def _tokens(asked: Asked) -> TokensAnswer:
    found, following = paging.page_from(asked, api_tokens.page)
    return TokensAnswer([TokenAnswer.of(each) for each in found], following)


def _revoke_token(asked: Asked) -> None:
    api_tokens.revoke(asked.site.context, asked.actor, asked.parameters["id"])


CALLS = (
    Call(
        "POST",
        "/tokens",
        "Make a token for a program",
        _issue_token,
        IssueToken,
        IssuedTokenAnswer,
        201,
        access=SELF,
        asks_for_proof=True,
        refusals=(CodeNeeded, Unverified),
    ),
    Call(
        "GET",
        "/tokens",
        "Your tokens, and for an owner everybody's",
        _tokens,
        answer=TokensAnswer,
        query=paging.QUERY,
        access=SELF,
    ),
    Call("DELETE", "/tokens/{id}", "Revoke a token", _revoke_token, status=204, access=SELF),
)
