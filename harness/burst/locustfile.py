"""What locust runs: each of its users is an organization. The only module that imports locust, in processes of its own.

It does no more than HTTP and the talk with the desk: whatever takes a namespace would block every other user.
"""

from __future__ import annotations

import json
import os
import socket
import time
from io import BufferedRWPair
from typing import Any

from locust import FastHttpUser, task

from harness.burst.messages import DESK, Added, Deleted, Failed, Line, Onboarded, Proof, Seat

_PREFIX = "/api/v1"
_SILENCE = 300.0
"""Seconds; for a service that hangs. How long an answer may take is what the burst measures."""


class Refused(Exception):
    """A call was not answered as it should be; the message names it."""


class Organization(FastHttpUser):
    """Signs up, adds its machines, has its mesh proven at the desk, and deletes itself if it is asked to."""

    # Its certificate is checked against SSL_CERT_FILE.
    insecure = False
    connection_timeout = _SILENCE
    network_timeout = _SILENCE

    @task
    def live(self) -> None:
        """A whole life, and there is one only."""
        try:
            with _at_the_desk() as stream:
                line = Line(stream, stream)
                seat: Seat | None = line.receive(Seat | None)
                if seat is not None:
                    self._onboard(line, seat)
        finally:
            self.client.client.close()
            self.stop()

    def _onboard(self, line: Line, seat: Seat) -> None:
        began_ns, start = time.monotonic_ns(), time.time()
        try:
            signed_up = self._call("POST", "/signup", _sign_up(seat))
            token = signed_up["token"]
            added = [self._call("POST", "/machines", {"name": name}, token) for name in seat.machines]
        except Refused as error:
            line.send(Failed(began_ns, str(error)))
            return
        organization = signed_up["organization"]
        machines = [Added(each["machine"]["address"], each["config"]) for each in added]
        line.send(Onboarded(began_ns, organization["id"], organization["hub_public_key"], machines))
        self._note(line.receive(Proof), start)
        if seat.keep:
            return
        try:
            self._call("DELETE", "/organization", {"confirm": seat.organization}, token)
        except Refused as error:
            line.send(Failed(began_ns, str(error)))
        else:
            line.send(Deleted())

    def _call(self, method: str, path: str, body: dict[str, Any], token: str | None = None) -> Any:
        """What the call is answered with.

        Raises:
            Refused: an error, or nothing.
        """
        headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        answer = self.client.request(method, _PREFIX + path, name=path, json=body, headers=headers)
        if 200 <= answer.status_code < 300:
            return answer.json()
        told = f"answered {answer.status_code}: {_detail(answer.content)}" if answer.status_code else "not answered"
        raise Refused(f"{method} {path} was {told}")

    def _note(self, proof: Proof, start: float) -> None:
        """Has locust count the mesh beside its requests."""
        self.environment.events.request.fire(
            request_type="MESH",
            name="sign-up to a working mesh",
            response_time=(proof.seconds or 0.0) * 1e3,
            response_length=0,
            exception=None if proof.error is None else Refused(proof.error),
            context={},
            start_time=start,
            url=None,
        )


def _at_the_desk() -> BufferedRWPair:
    with socket.socket(socket.AF_UNIX) as desk:
        desk.connect(os.environ[DESK])
        # Which keeps the connection open until it is closed itself.
        return desk.makefile("rwb")


def _detail(body: bytes | None) -> str:
    try:
        return str(json.loads(body or b"")["detail"])
    except (ValueError, TypeError, KeyError):
        return "no problem document"


def _sign_up(seat: Seat) -> dict[str, str]:
    return {"email": seat.email, "password": seat.password, "organization": seat.organization}
