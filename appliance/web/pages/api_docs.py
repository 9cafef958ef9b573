"""Description of the API for people, made from the OpenAPI document."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import msgspec

from appliance.model.access import PUBLIC
from appliance.web.api import SECTIONS, openapi
from appliance.web.api.reply import JSON
from appliance.web.pages.routes import Page, Visit
from appliance.web.response import Response


@dataclass(frozen=True)
class Input:
    """A parameter, or a field of a body or an answer.

    Attributes:
        place: path, query, header or body, for a list with its type; "" for a field of a shape.
        shape: name of the type's shape, if it has one.
    """

    name: str
    place: str
    type: str
    shape: str | None
    required: bool
    about: str
    example: str | None


@dataclass(frozen=True)
class DescribedRefusal:
    """A status of refusals, with their types."""

    status: str
    about: str


@dataclass(frozen=True)
class DescribedCall:
    """A call of the API.

    Attributes:
        given: type of the answer; None without one.
        shape: name of the shape in it.
    """

    id: str
    method: str
    path: str
    summary: str
    about: str
    inputs: tuple[Input, ...]
    status: str
    given: str | None
    shape: str | None
    refusals: tuple[DescribedRefusal, ...]


@dataclass(frozen=True)
class Shape:
    """A named schema of a body or an answer."""

    name: str
    about: str
    fields: tuple[Input, ...]


@dataclass(frozen=True)
class Description:
    """Description of the whole API.

    Attributes:
        prefix: common beginning of every path.
        sections: name, a sentence, and the calls of each subject.
    """

    about: str
    prefix: str
    sections: tuple[tuple[str, str, tuple[DescribedCall, ...]], ...]
    shapes: tuple[Shape, ...]


@cache
def description() -> Description:
    """Convert the OpenAPI document for the page."""
    document = openapi.document(SECTIONS)
    schemas = document["components"]["schemas"]
    operations = [
        _operation(method.upper(), path, operation, schemas)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    ]
    tags = {
        operation["operationId"]: operation["tags"][0]
        for each in document["paths"].values()
        for operation in each.values()
    }
    return Description(
        document["info"]["description"],
        document["servers"][0]["url"],
        tuple(
            (tag["name"], tag["description"], tuple(each for each in operations if tags[each.id] == tag["name"]))
            for tag in document["tags"]
        ),
        tuple(
            Shape(name, schema.get("description", ""), tuple(_fields(schema, ""))) for name, schema in schemas.items()
        ),
    )


def _operation(method: str, path: str, operation: Mapping[str, Any], schemas: Mapping[str, Any]) -> DescribedCall:
    inputs = [
        _input(each["name"], each["in"], each["schema"], each["required"], each["description"])
        for each in operation["parameters"]
    ]
    if "requestBody" in operation:
        body = operation["requestBody"]["content"][JSON]["schema"]
        inputs += _fields(schemas[str(_shape(body))], "body" if "$ref" in body else f"body: {_type(body)}")
    status, success = next(iter(operation["responses"].items()))
    answer = success["content"][JSON]["schema"] if "content" in success else None
    return DescribedCall(
        operation["operationId"],
        method,
        path,
        operation["summary"],
        operation["description"],
        tuple(inputs),
        status,
        None if answer is None else _type(answer),
        None if answer is None else _shape(answer),
        tuple(
            DescribedRefusal(code, each["description"])
            for code, each in operation["responses"].items()
            if code >= "400"
        ),
    )


def _fields(schema: Mapping[str, Any], place: str) -> Iterable[Input]:
    needed = schema.get("required", ())
    for name, field in schema.get("properties", {}).items():
        yield _input(name, place, field, name in needed)


def _input(name: str, place: str, schema: Mapping[str, Any], required: bool, about: str = "") -> Input:
    meant: Mapping[str, Any] = next((each for each in schema.get("anyOf", ()) if each.get("type") != "null"), {})
    facts = {**meant, **schema}
    examples = facts.get("examples")
    example = msgspec.json.encode(examples[0]).decode() if examples else None
    return Input(name, place, _type(schema), _shape(schema), required, about or facts.get("description", ""), example)


def _type(schema: Mapping[str, Any]) -> str:
    if "enum" in schema:
        return " or ".join("null" if each is None else str(each) for each in schema["enum"])
    if "anyOf" in schema:
        return " or ".join(_type(each) for each in schema["anyOf"])
    if "$ref" in schema:
        return str(_shape(schema))
    if schema.get("type") == "array":
        return f"list of {_type(schema['items'])}"
    return str(schema.get("type", "anything")) + _bounds(schema)


def _bounds(schema: Mapping[str, Any]) -> str:
    if "minimum" in schema and "maximum" in schema:
        return f", {schema['minimum']} to {schema['maximum']}"
    if "maxLength" in schema:
        least = f"{schema['minLength']} to" if schema.get("minLength") else "at most"
        return f", {least} {schema['maxLength']} characters"
    return ""


def _shape(schema: Mapping[str, Any]) -> str | None:
    if "$ref" in schema:
        return str(schema["$ref"]).rpartition("/")[2]
    inner = [*schema.get("anyOf", ()), *([schema["items"]] if "items" in schema else [])]
    return next((found for found in map(_shape, inner) if found is not None), None)


def _show(visit: Visit) -> Response:
    return visit.page("api.html", api=description())


PAGES = (Page("GET", "/docs/api", _show, access=PUBLIC),)
