"""The OpenAPI document is valid, complete, and true."""

from __future__ import annotations

from typing import Any

import bottle
import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator

from appliance.web.api import ROUTES
from tests.appliance.web.client import call


@pytest.fixture
def document(app: bottle.Bottle) -> dict[str, Any]:
    found: dict[str, Any] = call(app, "GET", "/api/v1/openapi.json").json
    return found


def operations(document: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    return [
        (f"{method.upper()} {path}", operation)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    ]


@pytest.mark.long
def test_the_document_is_valid(document: dict[str, Any]) -> None:
    assert document["openapi"].startswith("3.1")
    OpenAPIV31SpecValidator(document).validate()


def test_the_document_has_every_call_with_a_unique_name(document: dict[str, Any]) -> None:
    found = operations(document)
    assert {name for name, _ in found} == {f"{row.method} {row.path}" for row in ROUTES}
    assert len({operation["operationId"] for _, operation in found}) == len(ROUTES)
    tags = {tag["name"] for tag in document["tags"]}
    assert {operation["tags"][0] for _, operation in found} == tags


def test_every_call_with_a_password_or_code_limits_guesses() -> None:
    asking = {
        f"{row.method} {row.path}"
        for row in ROUTES
        if not row.access.is_public and row.body is not None and {"password", "code"} & set(row.body.__struct_fields__)
    }
    assert asking == {f"{row.method} {row.path}" for row in ROUTES if row.asks_for_proof}
    assert "PUT /account/password" in asking


def test_every_parameter_has_a_type_and_a_description(document: dict[str, Any]) -> None:
    for name, operation in operations(document):
        for parameter in operation["parameters"]:
            assert parameter["schema"]["type"], name
            assert parameter["description"], name


def test_positions_in_lists_are_texts(document: dict[str, Any]) -> None:
    for name, operation in operations(document):
        for parameter in operation["parameters"]:
            if parameter["name"] in ("after", "before"):
                assert parameter["schema"] == {"type": "string"}, name


def test_every_list_comes_in_pages(document: dict[str, Any]) -> None:
    schemas = document["components"]["schemas"]
    lists, whole = [], []
    for name, operation in operations(document):
        content = operation["responses"].get("200", {}).get("content")
        if not name.startswith("GET") or not content:
            continue
        answer = content["application/json"]["schema"]
        if answer.get("type") == "array":
            whole.append(name)
            continue
        properties = schemas[answer["$ref"].rpartition("/")[2]]["properties"]
        if "next" in properties:
            lists.append(name)
            taken = {parameter["name"] for parameter in operation["parameters"]}
            assert {"after", "limit"} <= taken, name
    assert len(lists) == 11
    # At most 200 entries.
    assert whole == ["GET /policy/expectations"]


def calls_refused(document: dict[str, Any], code: str) -> set[str]:
    told = f"`urn:meshwg:problem:{code}`"
    return {
        name
        for name, operation in operations(document)
        if any(told in response["description"] for response in operation["responses"].values())
    }


ENFORCED = {
    "POST /signup",
    "PATCH /organization",
    "DELETE /organization",
    "POST /machines",
    "PATCH /machines/{id}",
    "POST /machines/{id}/rotate",
    "DELETE /machines/{id}",
    "PUT /policy",
    "POST /policy/rules",
    "PATCH /policy/rules/{id}",
    "DELETE /policy/rules/{id}",
    "POST /policy/restore",
    "PUT /policy/expectations",
}
WITH_A_CODE = {
    "POST /tokens",
    "POST /account/passkeys",
    "DELETE /account/second-factor",
    "POST /account/recovery-codes",
}


@pytest.mark.parametrize(
    ("code", "calls"),
    [
        ("plan-limit", {"POST /machines"}),
        ("busy", set()),
        ("not-enforced", ENFORCED),
        ("code-needed", {"POST /sessions", *WITH_A_CODE}),
        (
            "not-now",
            {
                "POST /sessions",
                "POST /account/second-factor",
                "PUT /account/second-factor",
                "POST /machines/{id}/ping",
                *WITH_A_CODE,
            },
        ),
        (
            "not-possible",
            {
                "POST /resets",
                "POST /verifications",
                "POST /account/passkeys/options",
                "POST /account/passkeys",
                "POST /sessions/passkey/options",
                "POST /sessions/passkey",
            },
        ),
    ],
)
def test_a_refusal_is_documented_where_it_comes(document: dict[str, Any], code: str, calls: set[str]) -> None:
    assert calls_refused(document, code) == calls


def test_refusals_of_callers_are_documented(document: dict[str, Any]) -> None:
    every = {name for name, _ in operations(document)}
    signed_in = {name for name, operation in operations(document) if operation["security"]}
    let_in = {"POST /sessions", "POST /sessions/passkey"}
    assert calls_refused(document, "unauthenticated") == signed_in | let_in
    assert calls_refused(document, "suspended") == signed_in | let_in | {"POST /invitations/accept"}
    # A page of another site may ask for a public change, too.
    assert calls_refused(document, "forbidden") == every
    proving = {f"{row.method} {row.path}" for row in ROUTES if row.asks_for_proof}
    assert calls_refused(document, "wrong-proof") == proving


def test_invalid_input_is_documented_where_it_may_come(document: dict[str, Any]) -> None:
    taking = {
        name
        for name, operation in operations(document)
        if "requestBody" in operation or any(each["in"] == "query" for each in operation["parameters"])
    }
    # Any change of the machines may make the policy too large.
    assert calls_refused(document, "invalid") == taking | {"DELETE /machines/{id}"}


def test_an_organization_may_vanish_while_it_is_read(document: dict[str, Any]) -> None:
    looking = {"/account", "/organization", "/policy", "/policy/history", "/policy/expectations"}
    found = {name.removeprefix("GET ") for name in calls_refused(document, "not-found") if name.startswith("GET")}
    assert found == looking | {row.path for row in ROUTES if row.method == "GET" and "{" in row.path}


def test_refusals_are_documented_with_their_types(document: dict[str, Any]) -> None:
    for name, operation in operations(document):
        refused = {int(status) for status in operation["responses"] if status >= "400"}
        assert {429, 500, 503} <= refused, name
        assert ({401, 403} <= refused) or not operation["security"], name
        assert "default" not in operation["responses"]
    add = document["paths"]["/machines"]["post"]["responses"]
    assert "urn:meshwg:problem:plan-limit" in add["402"]["description"]
    assert "Location" in add["201"]["headers"]
    assert "412" in document["paths"]["/policy"]["put"]["responses"]
