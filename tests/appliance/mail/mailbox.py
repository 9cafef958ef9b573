"""A mail relay on this host that keeps what it is given, and refuses when a test says so."""

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
        # It greets itself once it listens, and port 0 was only what it asked for.
        assert isinstance(self.server, Server)
        self.port = self.server.sockets[0].getsockname()[1]
        super()._trigger_server()  # type: ignore[no-untyped-call]


@dataclass
class Mailbox:
    """What arrived.

    Attributes:
        says: what the relay answers to a letter.
        says_of_recipient: what it answers to the recipient's address.
        started_tls: for each letter, whether its connection was encrypted by STARTTLS.
        users: who logged in.
    """

    says: str = "250 OK"
    says_of_recipient: str = "250 OK"
    port: int = 0
    letters: list[EmailMessage] = field(default_factory=list)
    recipients: list[str] = field(default_factory=list)
    started_tls: list[bool] = field(default_factory=list)
    users: list[str] = field(default_factory=list)

    @classmethod
    @contextmanager
    def open(cls, certificate: ssl.SSLContext | None = None, *, tls_first: bool = False) -> Iterator[Mailbox]:
        """Listens on a port of its own; with a certificate it offers STARTTLS, or begins with TLS."""
        mailbox = cls()
        controller = _Controller(
            mailbox,
            hostname="127.0.0.1",
            port=0,
            ssl_context=certificate if tls_first else None,
            tls_context=None if tls_first else certificate,
            require_starttls=certificate is not None and not tls_first,
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
        """What arrived for this address."""
        return [letter for letter in self.letters if letter["To"] == address]

    def _admit(self, *arguments: Any) -> AuthResult:
        login = arguments[-1]
        self.users.append(login.login.decode())
        return AuthResult(success=login.password == b"s3cret/@:", handled=False)

    async def handle_RCPT(  # noqa: N802 - aiosmtpd's name
        self, _server: object, _session: Session, envelope: Envelope, address: str, _options: list[str]
    ) -> str:
        if self.says_of_recipient.startswith("250"):
            envelope.rcpt_tos.append(address)
            self.recipients.append(address)
        return self.says_of_recipient

    async def handle_DATA(self, _server: object, session: Session, envelope: Envelope) -> str:  # noqa: N802
        if self.says.startswith("250"):
            content = cast(bytes, envelope.content)
            self.letters.append(message_from_bytes(content, policy=policy.default))
            self.started_tls.append(session.ssl is not None)
        return self.says
