"""Client of the product's HTTP API."""

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
        problem: problem document (RFC 9457); {} if the body was something else.
    """

    def __init__(self, call: str, status: int, problem: dict[str, Any]) -> None:
        super().__init__(f"{call} was answered {status}: {problem.get('detail', 'no problem document')}")
        self.status = status
        self.problem = problem


class Api:
    """A client of one service, over one kept connection.

    Args:
        url: base URL, ``https://host:port``.
        certificate: PEM file of the authority that signed the service's certificate; None for the system's authorities.
        token: session token or API token; `sign_up` sets it.
        transport: takes the requests in place of a network connection.

    Attributes:
        url: base URL.
        token: token that every request carries; None for none.
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
        """Returns a client of the same service that is not signed in."""
        return Api(self.url, self._certificate, transport=self._transport)

    def duplicate(self) -> Api:
        """Returns a client with the same session and a connection of its own."""
        return Api(self.url, self._certificate, self.token, self._transport)

    def visitor(self) -> Visitor:
        """Returns a browser at the same service, not signed in."""
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
        """Sends a request and returns its answer, whatever the status.

        Args:
            path: path below ``/api/v1``, or one of ``/healthz``, ``/readyz``, ``/metrics``.
            body: value that is sent as JSON.
            raw: body as bytes, in place of ``body``.

        Raises:
            httpx.TransportError: the service can't be reached, or broke off.
        """
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
        """Opens a web page with this client's token as the session cookie."""
        requested = time.monotonic_ns()
        response = self._client.get(path, headers={"Cookie": f"{SESSION_COOKIE}={self.token}"})
        return Answer(response.status_code, response.text, requested, time.monotonic_ns(), response.headers)

    def call(self, method: str, path: str, body: Any = None) -> Answer:
        """Sends a request that has to succeed.

        Args:
            path: path below ``/api/v1``.
            body: value that is sent as JSON.

        Returns:
            The answer; its status is 2xx.

        Raises:
            ApiError: the status is another one.
        """
        answer = self.send(method, path, body)
        if not 200 <= answer.status < 300:
            raise ApiError(f"{method} {path}", answer.status, answer.body if isinstance(answer.body, dict) else {})
        return answer

    def is_open(self) -> bool:
        """Tells whether the organization is shown to this client's token."""
        return self.send("GET", "/organization").status == httpx.codes.OK

    def sign_up(self, email: str, password: str, organization: str, network: str | None = None) -> Answer:
        """Creates an organization and keeps the session of its owner.

        Args:
            network: IPv4 range in CIDR notation; None for the service's default.

        Raises:
            ApiError: the service refused.
        """
        body = {"email": email, "password": password, "organization": organization}
        answer = self.call("POST", "/signup", body if network is None else {**body, "network": network})
        self.token = answer.body["token"]
        return answer
