"""Locust's program: each user is an organization. It runs in processes of its own, and no other module imports locust.

It only speaks HTTP and exchanges messages with the coordinator: waiting for a namespace would block all other users.
"""

from __future__ import annotations

import json
import os
import socket
import time
from io import BufferedRWPair
from typing import Any

from locust import FastHttpUser, task

from harness.burst import messages
from harness.burst.messages import (
    COORDINATOR,
    AddedMachine,
    Assignment,
    Deleted,
    MeshResult,
    MessageStream,
    Onboarded,
    OnboardingFailed,
)

_PREFIX = "/api/v1"
_TOO_MANY_REQUESTS = 429
_SILENCE = 300.0
"""Seconds, for a service that hangs; a slow answer is a result of the burst."""
_MOST_WAITING_S = 30.0
"""Longest time to do as answers ask that say when to try again, in seconds; it counts into the time of the burst."""


class CallFailed(Exception):
    """A call failed, or the mesh did; the message says how."""


class OrganizationUser(FastHttpUser):
    """Signs up, adds machines, has the coordinator prove the mesh, and deletes the organization unless it is kept."""

    # The service's certificate is checked against SSL_CERT_FILE.
    insecure = False
    connection_timeout = _SILENCE
    network_timeout = _SILENCE

    @task
    def run_once(self) -> None:
        """Runs the whole life of the organization, once."""
        try:
            with _connect() as file:
                stream = MessageStream(file, file)
                assignment = stream.receive(messages.NEXT)
                if assignment is not None:
                    self._onboard(stream, assignment)
        finally:
            self.client.client.close()
            self.stop()

    def _onboard(self, stream: MessageStream, assignment: Assignment) -> None:
        began_ns, start = time.monotonic_ns(), time.time()
        self._waits, self._last_wait = 0, time.monotonic() + _MOST_WAITING_S
        try:
            signed_up = self._call("POST", "/signup", _sign_up(assignment))
            token = signed_up["token"]
            added = [self._call("POST", "/machines", {"name": name}, token) for name in assignment.machines]
        except CallFailed as error:
            stream.send(OnboardingFailed(began_ns, str(error)))
            return
        organization = signed_up["organization"]
        machines = [AddedMachine(each["machine"]["address"], each["config"]) for each in added]
        stream.send(Onboarded(began_ns, organization["id"], organization["hub_public_key"], machines, self._waits))
        self._count_mesh(stream.receive(messages.RESULT), start)
        if assignment.keep:
            return
        try:
            self._call("DELETE", "/organization", {"confirm": assignment.organization}, token)
        except CallFailed as error:
            stream.send(OnboardingFailed(began_ns, str(error)))
        else:
            stream.send(Deleted())

    def _call(self, method: str, path: str, body: dict[str, Any], token: str | None = None) -> Any:
        """Sends a request, again when an answer of 429 says so, and returns the body of the last answer.

        Raises:
            CallFailed: the status is not 2xx, or there was no answer.
        """
        headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        while True:
            answer = self.client.request(method, _PREFIX + path, name=path, json=body, headers=headers)
            wait = _retry_after(answer)
            if wait is None or time.monotonic() + wait > self._last_wait:
                break
            self._waits += 1
            time.sleep(wait)
        if 200 <= answer.status_code < 300:
            return answer.json()
        outcome = f"answered {answer.status_code}: {_detail(answer.content)}" if answer.status_code else "not answered"
        raise CallFailed(f"{method} {path} was {outcome}")

    def _count_mesh(self, proof: MeshResult, start: float) -> None:
        """Adds the mesh to locust's statistics."""
        self.environment.events.request.fire(
            request_type="MESH",
            name="sign-up to a working mesh",
            response_time=(proof.seconds or 0.0) * 1e3,
            response_length=0,
            exception=None if proof.error is None else CallFailed(proof.error),
            context={},
            start_time=start,
            url=None,
        )


def _retry_after(answer: Any) -> int | None:
    """Returns the seconds that an answer of 429 asks to wait; None if it asks for nothing."""
    if answer.status_code != _TOO_MANY_REQUESTS or "Retry-After" not in answer.headers:
        return None
    return int(answer.headers["Retry-After"])


def _connect() -> BufferedRWPair:
    with socket.socket(socket.AF_UNIX) as coordinator:
        coordinator.connect(os.environ[COORDINATOR])
        # The file keeps the connection open until it is closed.
        return coordinator.makefile("rwb")


def _detail(body: bytes | None) -> str:
    try:
        return str(json.loads(body or b"")["detail"])
    except (ValueError, TypeError, KeyError):
        return "no problem document"


def _sign_up(assignment: Assignment) -> dict[str, str]:
    return {"email": assignment.email, "password": assignment.password, "organization": assignment.organization}
