"""Walk through every documented call with plausible bodies, collecting every secret on the way."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from itertools import count
from typing import Any

from tests.appliance.cli.started import call

_SECRET_NAME = re.compile(r"token|secret|code|recovery|link|url|passw|config|key")
# What is called so and is everybody's.
_PUBLIC_NAME = re.compile(r"public|prefix|(^|_)(id|at)$")
_PRIVATE_KEY = re.compile(r"^PrivateKey +=\s(\S+)$", re.MULTILINE)
_SHORTEST = 12


class Walk:
    """Walks through an OpenAPI 3.1 document as one customer after the other.

    Attributes:
        secrets: secrets that were made or chosen on the way, by their origin.
        told: texts of answers that must not contain secrets.
    """

    def __init__(self, description: Mapping[str, Any]) -> None:
        self._paths: Mapping[str, Mapping[str, Any]] = description["paths"]
        self._schemas: Mapping[str, Any] = description["components"]["schemas"]
        self._numbers = count(1)
        self._ids: dict[str, str] = {}
        self._token = ""
        self.secrets: dict[str, str] = {}
        self.told: list[str] = []

    def go(self) -> None:
        """Makes each call, removals last, and then reads everything that can be read."""
        order = {"post": 0, "put": 1, "patch": 2, "get": 3, "delete": 4}
        operations = [(method, path) for path, methods in self._paths.items() for method in methods]
        for method, path in sorted(operations, key=lambda each: order[each[0]]):
            self._make(method, path)
        self._sign_up()
        self.told += [json.dumps(self._send("get", path)[1]) for method, path in operations if method == "get"]

    def _make(self, method: str, path: str) -> None:
        status, answer = self._send(method, path)
        if status in (401, 403, 404):
            # An earlier call ended the session, or took the right to it away.
            self._sign_up()
            status, answer = self._send(method, path)
        assert status < 500, (method, path, status, answer)
        if method != "get":
            self.secrets |= {f"{method} {path} {name}": value for name, value in _secrets(answer, "")}
        self._remember(path, answer)

    def _sign_up(self) -> None:
        _, answer = self._send("post", "/signup")
        self._token = answer["token"]
        self.secrets[f"session {next(self._numbers)}"] = self._token
        for path in ("/machines", "/tokens", "/invitations", "/policy/rules"):
            if "post" in self._paths.get(path, {}):
                status, made = self._send("post", path)
                if status == 201:
                    self.secrets |= {f"{path} {next(self._numbers)} {name}": each for name, each in _secrets(made, "")}
                    self._remember(path, made)

    def _send(self, method: str, path: str) -> tuple[int, Any]:
        operation = self._paths[path][method]
        body = operation.get("requestBody")
        content = None if body is None else self._example("", body["content"]["application/json"]["schema"])
        filled = re.sub(r"{(\w+)}", lambda found: self._ids.get(_head(path), found[1]), path)
        return call(method.upper(), f"/api/v1{filled}", content, self._token)

    def _example(self, name: str, schema: Mapping[str, Any]) -> Any:
        """Makes a value of this schema; passwords and the like are noted."""
        if "$ref" in schema:
            return self._example(name, self._schemas[schema["$ref"].rpartition("/")[2]])
        if "enum" in schema:
            return schema["enum"][0]
        if schema.get("type") == "object":
            return {key: self._example(key, schema["properties"][key]) for key in schema.get("required", ())}
        if schema.get("type") == "array":
            return []
        if schema.get("type") in ("integer", "number"):
            return 1
        return self._text(name)

    def _text(self, name: str) -> str:
        number = next(self._numbers)
        if "password" in name:
            self.secrets[f"{name} {number}"] = secret = f"Swordfish/{number}+under the=sea"
            return secret
        fixed = {"default": "allow", "action": "deny", "source": "any", "destination": "any", "role": "viewer"}
        if name == "email":
            return f"somebody{number}@example.net"
        return fixed.get(name, f"{name} {number}")

    def _remember(self, path: str, answer: Any) -> None:
        if isinstance(answer, dict):
            if isinstance(answer.get("id"), str):
                self._ids[_head(path)] = answer["id"]
            for each in answer.values():
                self._remember(path, each)
        elif isinstance(answer, list):
            for each in answer[:1]:
                self._remember(path, each)


def _head(path: str) -> str:
    return path.partition("/{")[0]


def _secrets(value: Any, name: str) -> Iterator[tuple[str, str]]:
    """Finds the secrets that an answer shows once, by the field's name: keys in configurations, tokens in links."""
    if isinstance(value, dict):
        for key, each in value.items():
            yield from _secrets(each, key)
    elif isinstance(value, list):
        for each in value:
            yield from _secrets(each, name)
    elif isinstance(value, str) and _SECRET_NAME.search(name) and not _PUBLIC_NAME.search(name):
        found = _PRIVATE_KEY.findall(value) if "PrivateKey" in value else re.findall(r"[\w-]+$", value)
        yield from ((name, each) for each in found if len(each) >= _SHORTEST and "<" not in each)
