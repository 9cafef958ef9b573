"""Mail relay on this host that keeps received letters, and refuses them if a test says so."""

from __future__ import annotations

import ssl
from asyncio import Server
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any, cast

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, Envelope, Session


class _Controller(Controller):
    def _trigger_server(self) -> None:
        # The controller connects to itself next, which needs the port that the kernel chose.
        assert isinstance(self.server, Server)
        self.port = self.server.sockets[0].getsockname()[1]
        super()._trigger_server()  # type: ignore[no-untyped-call]


@dataclass
class Mailbox:
    """Received letters and scripted answers of a relay.

    Attributes:
        data_reply: answer to each letter.
        recipient_reply: answer to each recipient's address.
        started_tls: for each letter, true if its connection was encrypted by STARTTLS.
        users: names that logged in.
    """

    data_reply: str = "250 OK"
    recipient_reply: str = "250 OK"
    port: int = 0
    letters: list[EmailMessage] = field(default_factory=list)
    recipients: list[str] = field(default_factory=list)
    started_tls: list[bool] = field(default_factory=list)
    users: list[str] = field(default_factory=list)

    @classmethod
    @contextmanager
    def open(cls, certificate: ssl.SSLContext | None = None, *, implicit_tls: bool = False) -> Iterator[Mailbox]:
        """Listens on a free port; with a certificate, offers STARTTLS or speaks implicit TLS."""
        mailbox = cls()
        controller = _Controller(
            mailbox,
            hostname="127.0.0.1",
            port=0,
            ssl_context=certificate if implicit_tls else None,
            tls_context=None if implicit_tls else certificate,
            require_starttls=certificate is not None and not implicit_tls,
            auth_require_tls=False,
            authenticator=mailbox._admit,
        )
        controller.start()
        try:
            mailbox.port = controller.port
            yield mailbox
        finally:
            controller.stop()

    def to(self, address: str) -> list[EmailMessage]:
        """Returns the letters to this address."""
        return [letter for letter in self.letters if letter["To"] == address]

    def _admit(self, *arguments: Any) -> AuthResult:
        login = arguments[-1]
        self.users.append(login.login.decode())
        return AuthResult(success=login.password == b"s3cret/@:", handled=False)

    async def handle_RCPT(  # noqa: N802 - aiosmtpd's name
        self, _server: object, _session: Session, envelope: Envelope, address: str, _options: list[str]
    ) -> str:
        if self.recipient_reply.startswith("250"):
            envelope.rcpt_tos.append(address)
            self.recipients.append(address)
        return self.recipient_reply

    async def handle_DATA(self, _server: object, session: Session, envelope: Envelope) -> str:  # noqa: N802
        if self.data_reply.startswith("250"):
            content = cast(bytes, envelope.content)
            self.letters.append(message_from_bytes(content, policy=policy.default))
            self.started_tls.append(session.ssl is not None)
        return self.data_reply
