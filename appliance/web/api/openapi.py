"""OpenAPI document, made from the table of routes. Source: OpenAPI 3.1."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache
from http import HTTPStatus
from threading import Lock
from typing import Any

import msgspec

from appliance import release
from appliance.model.access import Access
from appliance.service import machine_search, pages
from appliance.service.observed import MachineState
from appliance.web.api import repetition
from appliance.web.api.reply import JSON, PREFIX, SERVER_TIMING, reply
from appliance.web.api.routes import Route, Section, is_optional
from appliance.web.api.statuses import refusals
from appliance.web.handler import Handler
from appliance.web.problems import CONTENT_TYPE, PREFIX_OF_TYPES, Problem

_describing = Lock()
_ABOUT = (
    "A successful change is committed and enforced before its answer; a refused one changes nothing. Refusals are "
    "problem documents (RFC 9457). Lists come in pages: `next` of one is `after` of the following. Times are RFC 3339 "
    "in UTC."
)
_QUERY: dict[str, dict[str, Any]] = {
    "force": {
        "description": "`true` to break expectations of the policy.",
        "schema": {"type": "string", "enum": ["true", "false"]},
    },
    "limit": {
        "description": "Most entries of the page.",
        "schema": {"type": "integer", "minimum": 1, "maximum": pages.LONGEST},
    },
    "after": {"description": "`next` of the page before.", "schema": {"type": "string"}},
    "query": {
        "description": "Only machines with this text in their name, in any case, or in their address or public key.",
        "schema": {"type": "string", "maxLength": machine_search.LONGEST_QUERY},
    },
    "group": {"description": "Only machines of this group.", "schema": {"type": "string"}},
    "state": {
        "description": "Only machines in this state. `silent`: seen once, but not in the last three minutes.",
        "schema": {"type": "string", "enum": [each.value for each in MachineState]},
    },
    "before": {
        "description": "Alias of `after`: only entries older than the one of this id.",
        "schema": {"type": "string"},
    },
}
_HEADERS: dict[str, dict[str, Any]] = {
    repetition.HEADER: {
        "description": "A key that you choose for this request: a repetition within 24 hours is not done again. For "
        "calls without a session, it is remembered until the service restarts.",
        "schema": {"type": "string", "maxLength": repetition.LONGEST_KEY, "pattern": "^[ -~]*$"},
    },
    "If-None-Match": {
        "description": "The `ETag` of an earlier answer: 304 if nothing has changed.",
        "schema": {"type": "string"},
    },
    "If-Match": {
        "description": "The `ETag` that you have seen: 412 if it has changed meanwhile.",
        "schema": {"type": "string"},
    },
}
_SENT: dict[str, dict[str, Any]] = {
    "ETag": {"description": "Version of the answer, for conditions of later requests.", "schema": {"type": "string"}},
    "Location": {"description": "Path of the new resource.", "schema": {"type": "string"}},
    SERVER_TIMING: {
        "description": "`enforce;dur=…`: milliseconds from the call of the hub to its answer that the kernel enforces "
        "the change; absent if there was nothing to enforce, and in the answer to a repetition.",
        "schema": {"type": "string"},
    },
    "Retry-After": {"description": "Seconds to wait before another try.", "schema": {"type": "integer"}},
}


def handler(sections: tuple[Section, ...]) -> Handler:
    """Make the handler of the OpenAPI document."""
    return Handler("GET", f"{PREFIX}/openapi.json", lambda _: reply(200, _encoded(sections)))


@cache
def _encoded(sections: tuple[Section, ...]) -> bytes:
    return msgspec.json.encode(document(sections))


def document(sections: tuple[Section, ...]) -> dict[str, Any]:
    """Describe every call, with the schemas of its body and answer."""
    # One thread at a time, for the reason in CONTRIBUTING.md.
    with _describing:
        return _described(sections)


@cache
def _described(sections: tuple[Section, ...]) -> dict[str, Any]:
    routes = [route for section in sections for route in section.routes]
    kinds = sorted(
        {kind for route in routes for kind in (route.body, route.answer) if kind is not None} | {Problem},
        key=lambda kind: kind.__name__,
    )
    references, components = msgspec.json.schema_components(kinds, ref_template="#/components/schemas/{name}")
    schemas = dict(zip(kinds, references, strict=True))
    paths: dict[str, dict[str, Any]] = {}
    for section in sections:
        for route in section.routes:
            paths.setdefault(route.path, {})[route.method.lower()] = _operation(route, section.name, schemas)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "MeshWG",
            "version": release.version(),
            "description": _ABOUT,
            "license": {"name": "Apache License 2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": PREFIX}],
        "tags": [{"name": section.name, "description": section.about} for section in sections],
        "paths": paths,
        "components": {
            "schemas": components,
            "securitySchemes": {
                "session": {"type": "http", "scheme": "bearer", "description": "Token of a session: mws_…"},
                "token": {"type": "http", "scheme": "bearer", "description": "API token of POST /tokens: mwt_…"},
            },
        },
    }


def _operation(route: Route, tag: str, schemas: dict[type[msgspec.Struct], dict[str, Any]]) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "tags": [tag],
        "summary": route.summary,
        "operationId": route.handler.__name__.lstrip("_"),
        "description": _needs(route.access),
        "security": _security(route.access),
        "parameters": _parameters(route),
        "responses": {str(route.status): _success(route, schemas)}
        | ({"304": {"description": "Nothing has changed"}} if route.method == "GET" else {})
        | {str(status): _refusal(status, codes, schemas[Problem]) for status, codes in refusals(route).items()}
        | {"500": {"description": "A fault of the service"} | _content(CONTENT_TYPE, schemas[Problem])},
    }
    if route.body is not None:
        operation["requestBody"] = {"required": route.is_list or not is_optional(route.body)} | _content(
            JSON, _schema(route, schemas[route.body])
        )
    return operation


def _schema(route: Route, of_one: dict[str, Any]) -> dict[str, Any]:
    return {"type": "array", "items": of_one} if route.is_list else of_one


def _success(route: Route, schemas: dict[type[msgspec.Struct], dict[str, Any]]) -> dict[str, Any]:
    success: dict[str, Any] = {
        "description": "Present state"
        if route.method == "GET"
        else "Done: what it stores is committed, and what it changes for machines is enforced"
    }
    if route.answer is not None:
        success |= _content(JSON, _schema(route, schemas[route.answer]))
    headers = {
        "ETag": route.method == "GET" or route.etag,
        "Location": route.made,
        SERVER_TIMING: route.is_timed,
    }
    sent = [name for name, is_sent in headers.items() if is_sent]
    return success | ({"headers": {name: _SENT[name] for name in sent}} if sent else {})


def _refusal(status: int, codes: Sequence[str], problem: dict[str, Any]) -> dict[str, Any]:
    types = ", ".join(f"`{PREFIX_OF_TYPES}{code}`" for code in codes)
    answer = {"description": f"{HTTPStatus(status).phrase}: {types}"} | _content(CONTENT_TYPE, problem)
    waits = status in (HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE)
    return answer | ({"headers": {"Retry-After": _SENT["Retry-After"]}} if waits else {})


def _needs(access: Access) -> str:
    if access.role is None:
        return "Needs no session."
    if access.scope is None:
        return f"Needs a session with the role {access.role.value} or a higher one; API tokens are refused."
    return f"Needs the role {access.role.value} or a higher one; an API token also the scope {access.scope.value}."


def _security(access: Access) -> list[dict[str, list[str]]]:
    if access.is_public:
        return []
    return [{"session": []}] if access.scope is None else [{"session": []}, {"token": [access.scope.value]}]


def _parameters(route: Route) -> list[dict[str, Any]]:
    headers = {
        repetition.HEADER: route.method == "POST",
        "If-None-Match": route.method == "GET",
        "If-Match": route.takes_condition,
    }
    return [
        *(
            {"name": name, "in": "path", "required": True} | _in_path(name)
            for name in re.findall(r"{(\w+)}", route.path)
        ),
        *({"name": name, "in": "query", "required": False} | _QUERY[name] for name in route.query),
        *(
            {"name": name, "in": "header", "required": False} | _HEADERS[name]
            for name, is_taken in headers.items()
            if is_taken
        ),
    ]


def _in_path(name: str) -> dict[str, Any]:
    if name == "month":
        return {"description": "A month of the statement.", "schema": {"type": "string", "pattern": r"^\d{4}-\d{2}$"}}
    return {"description": "Id from the list.", "schema": {"type": "string", "pattern": "^[^/]+$"}}


def _content(media_type: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"content": {media_type: {"schema": schema}}}
