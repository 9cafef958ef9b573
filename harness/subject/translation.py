"""Translation of requests to the product's HTTP API into calls of a `Target`, so that scenarios run unchanged."""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import httpx

from harness.judging.verdicts import Inconclusive
from harness.target import Judges, Lists, Organization, Policy, Question, Refused, Seen, Shows, Target

URL = "https://hub.invalid"
"""Placeholder URL; nothing is sent there."""
_API = "/api/v1/"
_SUBJECTS = ("organization", "machines", "policy")
_NETWORK = "10.100.0.0/16"
"""Range of an organization that signs up without one."""


@dataclass(frozen=True)
class _Account:
    name: str
    organization: Organization


class Translation(httpx.BaseTransport):
    """An httpx transport that answers requests by calls of a `Target`. Any thread may use it."""

    def __init__(self, target: Target) -> None:
        self._target = target
        self._accounts: dict[str, _Account] = {}

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Answers a request.

        Raises:
            Inconclusive: the target has no method for it.
        """
        call = f"{request.method} {request.url.path}"
        if not request.url.path.startswith(_API):
            raise Inconclusive(f"the hub that is gated has no pages and no metrics: {call}")
        words = request.url.path.removeprefix(_API).split("/")
        body = json.loads(request.read() or b"{}")
        try:
            if (request.method, words) == ("POST", ["signup"]):
                return self._sign_up(body)
            account = self._accounts.get(request.headers.get("authorization", "").removeprefix("Bearer "))
            if account is None and words[0] in _SUBJECTS:
                return _problem(httpx.codes.UNAUTHORIZED, "the token is not valid")
            answer = None if account is None else self._answer(request.method, words, account, body)
        except Refused as refused:
            return _problem(refused.status, str(refused))
        if answer is None:
            raise Inconclusive(f"the hub that is gated has nothing that answers {call}")
        return answer

    def _answer(
        self, method: str, words: list[str], account: _Account, body: Mapping[str, Any]
    ) -> httpx.Response | None:
        organization = account.organization.id
        return (
            self._organization(method, words, account, body)
            or self._machines(method, words, organization, body)
            or self._policy(method, words, organization, body)
        )

    def _sign_up(self, body: Mapping[str, Any]) -> httpx.Response:
        name, token = body["organization"], secrets.token_urlsafe()
        account = _Account(name, self._target.sign_up(name, body.get("network", _NETWORK)))
        self._accounts[token] = account
        return httpx.Response(httpx.codes.CREATED, json={"token": token, "organization": _shown(account)})

    def _organization(
        self, method: str, words: list[str], account: _Account, body: Mapping[str, Any]
    ) -> httpx.Response | None:
        match method, words:
            case "GET", ["organization"]:
                return httpx.Response(httpx.codes.OK, json=_shown(account))
            case "DELETE", ["organization"] if body.get("confirm") == account.name:
                self._target.delete(account.organization.id)
                self._accounts = {token: each for token, each in self._accounts.items() if each is not account}
                return httpx.Response(httpx.codes.OK, json={})
        return None

    def _machines(
        self, method: str, words: list[str], organization: str, body: Mapping[str, Any]
    ) -> httpx.Response | None:
        match method, words:
            case "POST", ["machines"]:
                groups = tuple(body.get("groups", ()))
                added = asdict(self._target.add(organization, body["name"], groups, body.get("public_key")))
                return httpx.Response(httpx.codes.CREATED, json={"config": added.pop("config"), "machine": added})
            case "DELETE", ["machines", machine]:
                self._target.remove(organization, machine)
                return httpx.Response(httpx.codes.NO_CONTENT)
            case "GET", ["machines"] if isinstance(self._target, Lists):
                listed = [asdict(each) for each in self._target.machines(organization)]
                return httpx.Response(httpx.codes.OK, json={"machines": listed, "next": None})
            case "GET", ["machines", machine] if isinstance(self._target, Lists):
                found: list[Seen] = [each for each in self._target.machines(organization) if each.id == machine]
                if not found:
                    return _problem(httpx.codes.NOT_FOUND, f"there is no machine {machine}")
                return httpx.Response(httpx.codes.OK, json=asdict(found[0]))
        return None

    def _policy(
        self, method: str, words: list[str], organization: str, body: Mapping[str, Any]
    ) -> httpx.Response | None:
        match method, words:
            case "PUT", ["policy"]:
                self._target.save(organization, Policy(body["default"], body["rules"], body.get("version")))
                return httpx.Response(httpx.codes.OK, json={})
            case "GET", ["policy"] if isinstance(self._target, Shows):
                policy = self._target.policy(organization)
                # Rules of the API have ids; for a hub without them, the position is the id.
                rules = [{"id": str(position), **rule} for position, rule in enumerate(policy.rules)]
                shown = {"default": policy.default, "rules": rules, "version": policy.version}
                return httpx.Response(httpx.codes.OK, json=shown)
            case "POST", ["policy", "check"] if isinstance(self._target, Judges):
                question = Question(body["source"], body["destination"], body["protocol"], body.get("port"))
                return httpx.Response(
                    httpx.codes.OK, json={"verdict": self._target.verdict(organization, question), "rule": None}
                )
        return None


def _shown(account: _Account) -> dict[str, str]:
    return {**asdict(account.organization), "name": account.name}


def _problem(status: int, detail: str) -> httpx.Response:
    return httpx.Response(status, json={"detail": detail}, headers={"content-type": "application/problem+json"})
