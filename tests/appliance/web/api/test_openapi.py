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
