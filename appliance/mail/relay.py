"""Sending through the operator's mail relay.

Sources: RFC 5321 (SMTP), RFC 3207 (STARTTLS), RFC 8314 (implicit TLS).
"""

from __future__ import annotations

# Modules that smtplib imports late: a process that gave up its privileges may not be able to read them any more.
import email.policy
import encodings.idna  # noqa: F401
import re
import smtplib
import ssl
from dataclasses import dataclass, field
from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import formatdate, make_msgid
from ipaddress import ip_address
from urllib.parse import unquote

from appliance.model.hosts import address_literal, check_host, parse_address, split_authority
from appliance.model.letters import Letter

_TIMEOUT = 30.0
_PORTS = {"smtp": 587, "smtps": 465}
_URL = re.compile(r"(smtps?)://(?:([^:@/?#]+):([^:@/?#]+)@)?([^@/?#]+)/?")
_PERMANENT_FAILURE = 500


class Unreachable(Exception):
    """The relay could not take the letter now, and a later try makes sense. The text has no personal data."""


class Undeliverable(Exception):
    """The letter can never be sent. The text has no personal data."""


@dataclass(frozen=True)
class Relay:
    """A mail relay, with its credentials and the sender of letters.

    Attributes:
        implicit_tls: TLS from the first byte; otherwise the relay has to offer STARTTLS. A relay on this host is used
            without STARTTLS, because it has no certificate for a loopback address.
        user: None for a relay without log-in.
        sender: address in the From field.
    """

    host: str
    port: int
    implicit_tls: bool
    user: str | None
    password: str | None = field(repr=False)
    sender: str

    @classmethod
    def parse(cls, url: str, sender: str) -> Relay:
        """Parse a URL such as ``smtps://user:password@host:465`` or ``smtp://host:587``.

        Raises:
            ValueError: not of that form, or ``sender`` is no address (`check_sender`). The text quotes nothing.
        """
        match = _URL.fullmatch(url)
        if match is None:
            raise ValueError("not smtp://[USER:PASSWORD@]HOST[:PORT] or smtps://…")
        scheme, user, password, rest = match.groups()
        host, port = split_authority(rest)
        return cls(
            host=host,
            port=port or _PORTS[scheme],
            implicit_tls=scheme == "smtps",
            user=None if user is None else _decoded(user),
            password=None if password is None else _decoded(password),
            sender=check_sender(sender),
        )

    def send(self, letter: Letter) -> None:
        """Send a letter; the relay has accepted it when this returns.

        Raises:
            Unreachable: the relay could not take it now.
            Undeliverable: the relay refused it for good, or the recipient's address is invalid.
        """
        message = self._message(letter)
        try:
            with self._connect() as connection:
                if self.user is not None and self.password is not None:
                    connection.login(self.user, self.password)
                _send(connection, message)
        except smtplib.SMTPRecipientsRefused as error:
            codes = [code for code, _ in error.recipients.values()]
            raise _refusal("the relay refused the recipient", max(codes, default=0)) from None
        except smtplib.SMTPDataError as error:
            raise _refusal("the relay refused the letter", error.smtp_code) from None
        except smtplib.SMTPResponseException as error:
            raise Unreachable(f"the relay answered {error.smtp_code}") from None
        except (smtplib.SMTPException, OSError) as error:
            raise Unreachable(f"the connection to the relay failed ({type(error).__name__})") from None

    def _connect(self) -> smtplib.SMTP:
        # Name for EHLO: the default is this host's name, which a resolver may take long to find.
        name = self.sender.rpartition("@")[2]
        context = ssl.create_default_context()
        if self.implicit_tls:
            return smtplib.SMTP_SSL(self.host, self.port, local_hostname=name, timeout=_TIMEOUT, context=context)
        connection = smtplib.SMTP(self.host, self.port, local_hostname=name, timeout=_TIMEOUT)
        try:
            if not self._is_local():
                connection.starttls(context=context)
        except BaseException:
            connection.close()
            raise
        return connection

    def _is_local(self) -> bool:
        try:
            return ip_address(self.host).is_loopback
        except ValueError:
            return self.host == "localhost"

    def _message(self, letter: Letter) -> EmailMessage:
        message = EmailMessage(email.policy.SMTP)
        try:
            message["To"] = _address(_with_ascii_host(letter.recipient))
            message["From"] = Address("MeshWG", addr_spec=self.sender)
            message["Subject"] = letter.subject
        except ValueError:
            raise Undeliverable("the recipient's address is invalid") from None
        message["Date"] = formatdate()
        message["Message-ID"] = make_msgid(domain=self.sender.rpartition("@")[2])
        # RFC 3834: prevents automatic replies.
        message["Auto-Submitted"] = "auto-generated"
        message.set_content(letter.text)
        return message


def check_sender(text: str) -> str:
    """The sender's address with its host in ASCII; a host that is an IP address is in brackets.

    Raises:
        ValueError: not a valid address of a sender.
    """
    local, at, host = _address(text).addr_spec.rpartition("@")
    if host.startswith("["):
        # RFC 5321, 4.1.3.
        literal = parse_address(host[1:-1].removeprefix("IPv6:"))
        if literal is None or host != address_literal(str(literal)):
            raise ValueError("not an address literal")
        return f"{local}@{host}"
    return f"{local}{at}{address_literal(check_host(host))}"


def _with_ascii_host(text: str) -> str:
    """The address with its host in ASCII, which every relay takes; an ASCII address stays unchanged."""
    return text if text.isascii() else check_sender(text)


def _decoded(text: str) -> str:
    """Decode a user or password.

    Raises:
        ValueError: it has characters beyond printable ASCII, which smtplib can't send.
    """
    decoded = unquote(text, errors="strict")
    if not decoded.isascii() or not decoded.isprintable():
        raise ValueError("user and password take printable ASCII characters")
    return decoded


def _address(text: str) -> Address:
    try:
        address = Address(addr_spec=text)
        # The parser drops the quotes of a local part with a dot at an end, which makes another, invalid address of it.
        Address(addr_spec=address.addr_spec)
    except Exception as error:
        # The parser raises various errors, such as IndexError.
        raise ValueError("not an e-mail address") from error
    if not address.username or not address.domain:
        raise ValueError("not an e-mail address")
    return address


def _send(connection: smtplib.SMTP, message: EmailMessage) -> None:
    try:
        connection.send_message(message)
    except smtplib.SMTPNotSupportedError:
        raise Undeliverable("the relay does not accept addresses beyond ASCII") from None


def _refusal(text: str, code: int) -> Unreachable | Undeliverable:
    kind = Undeliverable if code >= _PERMANENT_FAILURE else Unreachable
    return kind(f"{text} with {code}")
