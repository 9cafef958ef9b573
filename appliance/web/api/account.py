"""A person's own account: who they are, and how they prove it."""

from __future__ import annotations

from appliance.model.access import SELF
from appliance.service import password_change
from appliance.web import entrance, request
from appliance.web.api.routes import Asked, Call
from appliance.web.api.schemas import Body, SessionAnswer


class ChangePassword(Body, frozen=True):
    password: str
    new_password: str


def _change_password(asked: Asked) -> SessionAnswer:
    body: ChangePassword = asked.body
    with entrance.guessing(asked.site, asked.actor.email):
        session = password_change.change(
            asked.site.workplace,
            asked.actor,
            password=body.password,
            new_password=body.new_password,
            device=request.device(),
        )
    return SessionAnswer.of(session)


CALLS = (
    Call(
        "PUT",
        "/account/password",
        "Change your password; every session ends, and the answer has a new one",
        _change_password,
        ChangePassword,
        SessionAnswer,
        access=SELF,
    ),
)
