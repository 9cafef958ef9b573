"""Schemas that several subjects share; they check bodies and describe the API."""

from __future__ import annotations

from typing import Annotated

import msgspec

from appliance.model.addresses import home_network_warning
from appliance.model.emails import LONGEST_EMAIL
from appliance.model.organization import Organization
from appliance.service import Context, passwords
from appliance.service.sessions import Session
from appliance.store.times import rfc3339


class Unshown(msgspec.Struct, frozen=True):
    """Base of structs that may contain secrets: the repr shows no values."""

    def __repr__(self) -> str:
        return f"{type(self).__name__}(…)"


class Body(Unshown, frozen=True, forbid_unknown_fields=True):
    """Base of request bodies; unknown fields are refused."""


def text(description: str, longest: int, *, shortest: int = 1, examples: list[str] | None = None) -> msgspec.Meta:
    """Describe a text of so many characters.

    The lengths are for the document alone: what checks them refuses a text with a sentence of its own.
    """
    lengths = {"minLength": shortest, "maxLength": longest}
    return msgspec.Meta(description=description, examples=examples, extra_json_schema=lengths)


Email = Annotated[str, text("An e-mail address.", LONGEST_EMAIL, examples=["asha@example.net"])]
NewPassword = Annotated[
    str,
    text(
        f"{passwords.SHORTEST} characters or more, of any kind; none that is known from breaches.",
        passwords.LONGEST,
        shortest=passwords.SHORTEST,
        examples=["correct horse battery"],
    ),
]

Code = Annotated[
    str | None, msgspec.Meta(description="Code of your authenticator, or a recovery code, if you have a second factor.")
]


class OrganizationAnswer(msgspec.Struct, frozen=True):
    id: str
    name: str
    network: str
    endpoint: str
    hub_public_key: str
    plan: str
    machine_limit: int | None
    created_at: str
    warnings: Annotated[
        tuple[str, ...] | msgspec.UnsetType,
        msgspec.Meta(description="Sentences about possible mistakes; absent if there is none."),
    ] = msgspec.UNSET

    @classmethod
    def of(cls, organization: Organization, context: Context) -> OrganizationAnswer:
        warning = home_network_warning(organization.network)
        return cls(
            id=organization.id,
            name=organization.name,
            network=str(organization.network),
            endpoint=context.endpoint_of(organization),
            hub_public_key=organization.hub_public_key,
            plan=organization.plan.value,
            machine_limit=organization.plan.machine_limit,
            created_at=rfc3339(organization.created_at),
            warnings=msgspec.UNSET if warning is None else (warning,),
        )


class SessionAnswer(Unshown, frozen=True):
    token: str
    expires_at: str

    @classmethod
    def of(cls, session: Session) -> SessionAnswer:
        return cls(session.token, rfc3339(session.expires_at))
