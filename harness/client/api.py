"""The product's HTTP API, as a customer's program uses it."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import httpx

from harness.client.visitor import SESSION_COOKIE, Visitor, http_client
from harness.judging.answer import Answer

PREFIX = "/api/v1"


class ApiError(Exception):
    """The service refused a call.

    Attributes:
        status: HTTP status.
        problem: the problem document (RFC 9457), or {} where the answer was something else.
    """

    def __init__(self, call: str, status: int, problem: dict[str, Any]) -> None:
        super().__init__(f"{call} was answered {status}: {problem.get('detail', 'no problem document')}")
        self.status = status
        self.problem = problem


class Api:
    """Calls to one service, over one kept connection.

    Args:
        url: ``https://host:port``.
        certificate: PEM of what the service's certificate is checked against; None takes the system's authorities.
        token: of a session; `sign_up` and `log_in` set it.
        transport: what takes the calls in place of a connection.
    """

    def __init__(
        self,
        url: str,
        certificate: Path | None = None,
        token: str | None = None,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        self.url = url
        self._certificate = certificate
        self._transport = transport
        self._client = http_client(url, certificate, transport)
        self.token = token

    def anonymous(self) -> Api:
        """Another connection to the same service, signed in as nobody."""
        return Api(self.url, self._certificate, transport=self._transport)

    def duplicate(self) -> Api:
        """Another connection to the same service, in the same session."""
        return Api(self.url, self._certificate, self.token, self._transport)

    def visitor(self) -> Visitor:
        """A browser at the same service, which is nobody's yet."""
        return Visitor(self.url, self._certificate, self._transport)

    def close(self) -> None:
        """Closes the connection."""
        self._client.close()

    def send(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        headers: dict[str, str] | None = None,
        raw: bytes | None = None,
    ) -> Answer:
        """Any call, whatever its answer; ``path`` is below the prefix unless it names a root path."""
        sent = dict(headers or {})
        if self.token is not None:
            sent.setdefault("Authorization", f"Bearer {self.token}")
        full = path if path in ("/healthz", "/readyz", "/metrics") else PREFIX + path
        requested = time.monotonic_ns()
        response = self._client.request(method, full, json=body if raw is None else None, content=raw, headers=sent)
        answered = time.monotonic_ns()
        is_json = "json" in response.headers.get("content-type", "")
        body = response.json() if is_json else response.text
        return Answer(response.status_code, body, requested, answered, response.headers)

    def page(self, path: str) -> Answer:
        """A page, as the browser of who is signed in gets it."""
        requested = time.monotonic_ns()
        response = self._client.get(path, headers={"Cookie": f"{SESSION_COOKIE}={self.token}"})
        return Answer(response.status_code, response.text, requested, time.monotonic_ns(), response.headers)

    def call(self, method: str, path: str, body: Any = None) -> Answer:
        """A call that has to succeed.

        Raises:
            ApiError: it did not.
        """
        answer = self.send(method, path, body)
        if not 200 <= answer.status < 300:
            raise ApiError(f"{method} {path}", answer.status, answer.body if isinstance(answer.body, dict) else {})
        return answer

    def sign_up(self, email: str, password: str, organization: str, network: str | None = None) -> Answer:
        """Signs an organization up, and goes on as its owner."""
        body = {"email": email, "password": password, "organization": organization}
        answer = self.call("POST", "/signup", body if network is None else {**body, "network": network})
        self.token = answer.body["token"]
        return answer
