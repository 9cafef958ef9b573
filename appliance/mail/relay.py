"""The operator's mail relay. Sources: RFC 5321 (SMTP), RFC 3207 (STARTTLS), RFC 8314 (TLS from the first byte)."""

from __future__ import annotations

# The library's own late imports: a process that gave up its privileges may not be able to read code any more.
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

from appliance.model.hosts import check_host, parse_address, split_authority
from appliance.model.letters import Letter

_TIMEOUT = 30.0
_PORTS = {"smtp": 587, "smtps": 465}
_URL = re.compile(r"(smtps?)://(?:([^:@/?#]+):([^:@/?#]+)@)?([^@/?#]+)/?")
_REFUSED_FOR_GOOD = 500


class Unreachable(Exception):
    """The relay could not take the letter now; another try makes sense. The text names no person and no content."""


class Undeliverable(Exception):
    """The letter can't be sent, now or later. The text names no person and no content."""


@dataclass(frozen=True)
class Relay:
    """Where letters are handed to, and in whose name.

    Attributes:
        tls_first: whether TLS begins with the first byte; otherwise the relay has to offer STARTTLS. A relay on this
            very host has no certificate for that name, and is talked to in the clear.
        user: None where the relay asks for nobody.
        sender: the address that letters come from.
    """

    host: str
    port: int
    tls_first: bool
    user: str | None
    password: str | None = field(repr=False)
    sender: str

    @classmethod
    def parse(cls, url: str, sender: str) -> Relay:
        """The relay of a URL: ``smtps://user:password@host:465`` or ``smtp://host:587``.

        Raises:
            ValueError: it is no such URL, or ``sender`` is no address (`check_sender`). The message has no part of it.
        """
        found = _URL.fullmatch(url)
        if found is None:
            raise ValueError("not smtp://[USER:PASSWORD@]HOST[:PORT] or smtps://…")
        scheme, user, password, rest = found.groups()
        host, port = split_authority(rest)
        return cls(
            host=host,
            port=port or _PORTS[scheme],
            tls_first=scheme == "smtps",
            user=None if user is None else _decoded(user),
            password=None if password is None else _decoded(password),
            sender=check_sender(sender),
        )

    def send(self, letter: Letter) -> None:
        """Hands the letter over. The relay has it when this returns.

        Raises:
            Unreachable: it could not take it now.
            Undeliverable: it never will, or the letter's address is none.
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
            raise Unreachable(f"the relay can't be talked to ({type(error).__name__})") from None

    def _connect(self) -> smtplib.SMTP:
        # What the relay is told as our name: this host's own one may take a resolver long to find.
        name = self.sender.rpartition("@")[2]
        context = ssl.create_default_context()
        if self.tls_first:
            return smtplib.SMTP_SSL(self.host, self.port, local_hostname=name, timeout=_TIMEOUT, context=context)
        connection = smtplib.SMTP(self.host, self.port, local_hostname=name, timeout=_TIMEOUT)
        try:
            if not self._is_on_this_host():
                connection.starttls(context=context)
        except BaseException:
            connection.close()
            raise
        return connection

    def _is_on_this_host(self) -> bool:
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
            raise Undeliverable("the recipient is no address that mail could go to") from None
        message["Date"] = formatdate()
        message["Message-ID"] = make_msgid(domain=self.sender.rpartition("@")[2])
        # RFC 3834: nobody's absence is answered to it.
        message["Auto-Submitted"] = "auto-generated"
        message.set_content(letter.text)
        return message


def check_sender(text: str) -> str:
    """The address that letters come from, its host in ASCII; an IP address as host stands in brackets.

    Raises:
        ValueError: it is no address that mail can come from.
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
    """The address as every relay takes it. What is ASCII stays as it is, and as strict as its relay is."""
    return text if text.isascii() else check_sender(text)


def address_literal(host: str) -> str:
    """The host as addresses of mail have it: an IP address in brackets, with the tag of an IPv6 one."""
    if parse_address(host) is None:
        return host
    return f"[IPv6:{host}]" if ":" in host else f"[{host}]"


def _decoded(text: str) -> str:
    """User or password; smtplib sends no other characters.

    Raises:
        ValueError: it has others.
    """
    decoded = unquote(text, errors="strict")
    if not decoded.isascii() or not decoded.isprintable():
        raise ValueError("user and password take printable ASCII characters")
    return decoded


def _address(text: str) -> Address:
    try:
        address = Address(addr_spec=text)
    except Exception as error:
        # The parser raises whatever it stumbles over.
        raise ValueError("not an e-mail address") from error
    if not address.username or not address.domain:
        raise ValueError("not an e-mail address")
    return address


def _send(connection: smtplib.SMTP, message: EmailMessage) -> None:
    try:
        connection.send_message(message)
    except smtplib.SMTPNotSupportedError:
        raise Undeliverable("the relay takes no address with letters beyond ASCII") from None


def _refusal(what: str, code: int) -> Unreachable | Undeliverable:
    words = f"{what} with {code}"
    return Undeliverable(words) if code >= _REFUSED_FOR_GOOD else Unreachable(words)
