"""Mail of a running service: sent by a process without privileges, to a relay, with a link that works."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.appliance.cli.started import PORT, Run, call, meshwg, sign_up, start
from tests.appliance.mail.mailbox import Mailbox
from tests.appliance.members import NEW_PASSWORD
from tests.appliance.sealed import OLD
from tests.waiting import wait_until

pytestmark = pytest.mark.long


def test_an_invitation_arrives_and_its_link_opens_an_account(data: Path, runs: list[Run]) -> None:
    with Mailbox.open() as mailbox:
        run = start(
            runs,
            data,
            f"--smtp-url=smtp://127.0.0.1:{mailbox.port}",
            "--mail-from=hub@mesh.example",
            MESHWG_UNLOCK_SECRET=OLD,
        )
        run.wait_until_ready()
        organization, token = sign_up("acme")
        wish = {"email": "ravi@example.net", "role": "admin"}
        status, invited = call("POST", "/api/v1/invitations", wish, token)
        assert (status, invited["link"]) == (201, None)
        wait_until(lambda: bool(mailbox.to("ravi@example.net")))
        (letter,) = mailbox.to("ravi@example.net")
        assert letter["From"] == "MeshWG <hub@mesh.example>"
        link = re.search(rf"https://127\.0\.0\.1:{PORT}/join/(mwi_\S+)", letter.get_content())
        assert link is not None
        body = {"token": link[1], "password": NEW_PASSWORD}
        status, joined = call("POST", "/api/v1/invitations/accept", body)
        assert status == 201
        # Whoever has the link reads what comes to the address, and is told when the way into the account changes.
        assert call("GET", "/api/v1/account", token=joined["token"])[1]["verified"]
        change = {"password": body["password"], "new_password": "another of their own"}
        assert call("PUT", "/api/v1/account/password", change, joined["token"])[0] == 200
        wait_until(lambda: len(mailbox.to("ravi@example.net")) == 2)
        assert "password of your account was changed" in mailbox.to("ravi@example.net")[1].get_content()
        # What an operator invites by hand gets no letter: the link is printed.
        done = meshwg(data, "admin", "invite", organization, "uma@example.net")
        assert "/join/mwi_" in done.stdout, done.stderr
        assert run.stop() == 0
    assert mailbox.to("uma@example.net") == []
