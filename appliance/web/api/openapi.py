"""The OpenAPI document, made from the table of calls. Source: OpenAPI 3.1."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import bottle
import msgspec

from appliance import __version__
from appliance.model.access import Access
from appliance.web.api.reply import Reply
from appliance.web.api.routes import PREFIX, Call
from appliance.web.problems import CONTENT_TYPE, Problem


def install(app: bottle.Bottle, calls: Sequence[Call]) -> None:
    """Adds the document that describes these calls to the application."""
    text = msgspec.json.encode(document(calls))
    app.route(f"{PREFIX}/openapi.json", callback=lambda: Reply(200, text).response())


def document(calls: Sequence[Call]) -> dict[str, Any]:
    """Describes every call, with the schemas of what it takes and gives."""
    kinds = sorted(
        {kind for call in calls for kind in (call.body, call.answer) if kind is not None} | {Problem},
        key=lambda kind: kind.__name__,
    )
    references, components = msgspec.json.schema_components(kinds, ref_template="#/components/schemas/{name}")
    schemas = dict(zip(kinds, references, strict=True))
    paths: dict[str, dict[str, Any]] = {}
    for call in calls:
        paths.setdefault(call.path, {})[call.method.lower()] = _operation(call, schemas)
    return {
        "openapi": "3.1.0",
        "info": {"title": "MeshWG", "version": __version__},
        "servers": [{"url": PREFIX}],
        "paths": paths,
        "components": {
            "schemas": components,
            "securitySchemes": {
                "session": {"type": "http", "scheme": "bearer", "description": "What signing in gives: mws_…"},
                "token": {"type": "http", "scheme": "bearer", "description": "What POST /tokens gives: mwt_…"},
            },
        },
    }


def _operation(call: Call, schemas: dict[type[msgspec.Struct], dict[str, Any]]) -> dict[str, Any]:
    success = {"description": "Committed, and enforced in the data plane" if call.method != "GET" else "As it is now"}
    if call.answer is not None:
        success |= _content("application/json", schemas[call.answer])
    operation: dict[str, Any] = {
        "summary": call.summary,
        "operationId": call.handler.__name__.lstrip("_"),
        "description": _who(call.access),
        "security": _security(call.access),
        "parameters": [
            *(_parameter(name, "path") for name in re.findall(r"{(\w+)}", call.path)),
            *(_parameter(name, "query") for name in call.query),
        ],
        "responses": {
            str(call.status): success,
            "default": {"description": "Refused"} | _content(CONTENT_TYPE, schemas[Problem]),
        },
    }
    if call.body is not None:
        required = any(field.required for field in msgspec.structs.fields(call.body))
        operation["requestBody"] = {"required": required} | _content("application/json", schemas[call.body])
    return operation


def _who(access: Access) -> str:
    if access.role is None:
        return "Takes no session."
    if access.scope is None:
        return f"For a signed-in {access.role.value} or more; not for API tokens."
    return f"For a {access.role.value} or more; API tokens need the scope {access.scope.value}."


def _security(access: Access) -> list[dict[str, list[str]]]:
    if access.is_public:
        return []
    return [{"session": []}] if access.scope is None else [{"session": []}, {"token": [access.scope.value]}]


def _parameter(name: str, place: str) -> dict[str, Any]:
    return {"name": name, "in": place, "required": place == "path", "schema": {"type": "string"}}


def _content(media_type: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"content": {media_type: {"schema": schema}}}
