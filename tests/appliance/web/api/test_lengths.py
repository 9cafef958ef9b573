"""Lengths of texts in the OpenAPI document: those of the code, and those at which a call is refused."""

from __future__ import annotations

from typing import Any

import bottle
import pytest

from appliance.model.emails import LONGEST_EMAIL
from appliance.model.names import LONGEST_NAME
from appliance.model.policy import LONGEST_DESCRIPTION
from appliance.service import api_tokens, passwords
from tests.appliance.web.client import SIGN_UP, call

NAME, EMAIL = (1, LONGEST_NAME), (1, LONGEST_EMAIL)
NEW_PASSWORD = (passwords.SHORTEST, passwords.LONGEST)
DESCRIPTION, END = (0, LONGEST_DESCRIPTION), (1, len("group:") + LONGEST_NAME)
LENGTHS = {
    "Accept.password": NEW_PASSWORD,
    "AddMachine.groups": NAME,
    "AddMachine.name": NAME,
    "AddPasskey.name": NAME,
    "AskToSignUp.email": EMAIL,
    "ChangeMachine.groups": NAME,
    "ChangeMachine.name": NAME,
    "ChangeOrganization.name": NAME,
    "ChangePassword.new_password": NEW_PASSWORD,
    "ChangeRule.description": DESCRIPTION,
    "ChangeRule.destination": END,
    "ChangeRule.source": END,
    "ExpectationBody.destination": END,
    "ExpectationBody.source": END,
    "Invite.email": EMAIL,
    "IssueToken.name": (1, api_tokens.LONGEST_NAME),
    "LogIn.email": EMAIL,
    "RenamePasskey.name": NAME,
    "Reset.password": NEW_PASSWORD,
    "RuleBody.description": DESCRIPTION,
    "RuleBody.destination": END,
    "RuleBody.source": END,
    "SignUp.email": EMAIL,
    "SignUp.organization": NAME,
    "SignUp.password": NEW_PASSWORD,
}


def lengths_of(schema: dict[str, Any]) -> tuple[int, int] | None:
    """Finds the lengths of a text, which may be null or in a list."""
    if "maxLength" in schema:
        return schema["minLength"], schema["maxLength"]
    inner = [*schema.get("anyOf", ()), *([schema["items"]] if "items" in schema else [])]
    return next((found for found in map(lengths_of, inner) if found), None)


def test_the_document_has_the_lengths_of_the_code(app: bottle.Bottle) -> None:
    document = call(app, "GET", "/api/v1/openapi.json").json
    found = {
        f"{name}.{field}": lengths_of(schema)
        for name, struct in document["components"]["schemas"].items()
        for field, schema in struct.get("properties", {}).items()
        if lengths_of(schema)
    }
    assert found == LENGTHS


def rule(description: str = "", source: str = "any") -> dict[str, str]:
    return {"action": "allow", "source": source, "destination": "any", "description": description}


def body_of(field: str, length: int) -> tuple[str, dict[str, Any]]:
    """Makes a call with a text of this length: its path and its body."""
    text = "ab" * length
    match field:
        case "AddMachine.name":
            return "/machines", {"name": text[:length]}
        case "AddMachine.groups":
            return "/machines", {"name": "a", "groups": [text[:length]]}
        case "RuleBody.description":
            return "/policy/rules", rule(text[:length])
        case "RuleBody.source":
            return "/policy/rules", rule(source=f"group:{text}"[:length])
        case "IssueToken.name":
            return "/tokens", {"name": text[:length], "password": SIGN_UP["password"]}
        case "Invite.email":
            return "/invitations", {"email": f"{text}"[: length - 12] + "@example.net"}
        case "SignUp.organization":
            return "/signup", {**SIGN_UP, "email": "b@example.net", "organization": text[:length]}
        case "SignUp.password":
            return "/signup", {**SIGN_UP, "email": "b@example.net", "password": f"a b c d e {'xyz' * length}"[:length]}
    raise AssertionError(field)


@pytest.mark.parametrize(
    "field",
    [
        *("AddMachine.name", "AddMachine.groups", "RuleBody.description", "RuleBody.source", "IssueToken.name"),
        *("Invite.email", "SignUp.organization", "SignUp.password"),
    ],
)
def test_a_text_is_refused_beyond_the_length_of_the_document(app: bottle.Bottle, token: str, field: str) -> None:
    shortest, longest = LENGTHS[field]

    def status(length: int) -> int:
        path, body = body_of(field, length)
        return call(app, "POST", f"/api/v1{path}", body, token=token).status

    assert (status(longest + 1), status(longest)) == (422, 201)
    if shortest > 1:
        assert (status(shortest - 1), status(shortest)) == (422, 409 if field == "SignUp.password" else 201)
