"""Sending letters through a relay: content, encryption, refusals."""

from __future__ import annotations

import socket
import ssl
from dataclasses import replace

import pytest

from appliance.mail import Relay, Undeliverable, Unreachable
from appliance.mail.relay import check_sender
from appliance.model.letters import Letter
from appliance.web import tls
from tests.appliance.mail.mailbox import Mailbox

LETTER = Letter("asha@example.net", "Invitation to Ärzte & Co", "Go to https://vpn.example.net/join/mwi_x\n")
ELSEWHERE = "mail.example.net"


def relay_at(mailbox: Mailbox, scheme: str = "smtp", user: str = "", host: str = "127.0.0.1") -> Relay:
    return Relay.parse(f"{scheme}://{user}{host}:{mailbox.port}", "meshwg@vpn.example.net")


def test_a_letter_arrives_unchanged(mailbox: Mailbox) -> None:
    relay_at(mailbox).send(LETTER)
    (letter,) = mailbox.letters
    assert letter["To"] == "asha@example.net"
    assert letter["From"] == "MeshWG <meshwg@vpn.example.net>"
    assert letter["Subject"] == LETTER.subject
    assert letter["Auto-Submitted"] == "auto-generated"
    assert letter["Message-ID"].endswith("@vpn.example.net>")
    assert letter["Date"]
    assert letter.get_content().splitlines() == LETTER.text.splitlines()
    assert mailbox.recipients == ["asha@example.net"]


def test_a_relay_with_a_user_gets_a_log_in(mailbox: Mailbox) -> None:
    relay_at(mailbox, user="meshwg:s3cret%2F%40%3A@").send(LETTER)
    assert mailbox.users == ["meshwg"]
    assert len(mailbox.letters) == 1
    with pytest.raises(Unreachable, match="535"):
        relay_at(mailbox, user="meshwg:other@").send(LETTER)


@pytest.mark.parametrize(
    ("reply", "expected"), [("451 later", Unreachable), ("421 closing", Unreachable), ("554 never", Undeliverable)]
)
def test_a_refusal_is_temporary_or_permanent(mailbox: Mailbox, reply: str, expected: type[Exception]) -> None:
    mailbox.data_reply = reply
    with pytest.raises(expected):
        relay_at(mailbox).send(LETTER)
    mailbox.data_reply, mailbox.recipient_reply = "250 OK", reply
    with pytest.raises(expected) as refused:
        relay_at(mailbox).send(LETTER)
    assert "asha" not in str(refused.value)
    assert mailbox.letters == []


def test_an_unreachable_relay_is_a_temporary_failure() -> None:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        relay = Relay.parse(f"smtp://127.0.0.1:{bound.getsockname()[1]}", "meshwg@example.net")
        with pytest.raises(Unreachable):
            relay.send(LETTER)


@pytest.mark.parametrize("recipient", ["a,b@example.net", "<x>@example.net", "a@example.net\nBcc: b@example.net", ""])
def test_an_invalid_recipient_gets_no_letter(mailbox: Mailbox, recipient: str) -> None:
    with pytest.raises(Undeliverable):
        relay_at(mailbox).send(replace(LETTER, recipient=recipient))
    assert mailbox.letters == []


def test_a_recipient_s_unicode_host_is_encoded_for_the_relay(mailbox: Mailbox) -> None:
    relay_at(mailbox).send(replace(LETTER, recipient="asha@b\u00fccher.example"))
    assert mailbox.recipients == ["asha@xn--bcher-kva.example"]
    for recipient in ("\u00e4@example.net", "asha@\u2603.example", "asha@b\u00fccher..example"):
        with pytest.raises(Undeliverable):
            relay_at(mailbox).send(replace(LETTER, recipient=recipient))


@pytest.fixture
def certificate(monkeypatch: pytest.MonkeyPatch) -> ssl.SSLContext:
    """Provides a certificate for this host's names that this process trusts."""
    file, key = tls.self_signed(["127.0.0.1", ELSEWHERE]).as_files()
    monkeypatch.setenv("SSL_CERT_FILE", str(file))
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(file, key)
    return context


def test_a_letter_is_sent_over_implicit_tls(certificate: ssl.SSLContext) -> None:
    with Mailbox.open(certificate, implicit_tls=True) as mailbox:
        relay_at(mailbox, "smtps").send(LETTER)
        assert len(mailbox.letters) == 1


def test_starttls_is_required_unless_the_relay_is_on_this_host(
    certificate: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    look_up = socket.getaddrinfo
    monkeypatch.setattr(socket, "getaddrinfo", lambda host, *more: look_up(host.replace(ELSEWHERE, "127.0.0.1"), *more))
    with Mailbox.open(certificate) as mailbox:
        relay_at(mailbox, host=ELSEWHERE).send(LETTER)
        assert mailbox.started_tls == [True]
    with Mailbox.open() as mailbox:
        with pytest.raises(Unreachable):
            relay_at(mailbox, host=ELSEWHERE).send(LETTER)
        assert mailbox.letters == []


def test_a_relay_with_an_untrusted_certificate_gets_no_letter(
    certificate: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SSL_CERT_FILE")
    with Mailbox.open(certificate, implicit_tls=True) as mailbox:
        with pytest.raises(Unreachable):
            relay_at(mailbox, "smtps").send(LETTER)
        assert mailbox.letters == []


@pytest.mark.parametrize(
    "url", ["", "mail.example.net", "http://mail.example.net", "smtp://", "smtp://user@mail.example.net", "smtp://h/x"]
)
def test_an_invalid_relay_url_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match=r"smtp|password"):
        Relay.parse(url, "meshwg@example.net")


def test_repr_of_a_relay_hides_its_password() -> None:
    relay = Relay.parse("smtps://user:hidden@mail.example.net", "meshwg@example.net")
    assert (relay.host, relay.port, relay.implicit_tls, relay.password) == ("mail.example.net", 465, True, "hidden")
    assert "hidden" not in repr(relay)


@pytest.mark.parametrize("address", ['".a/b"@example.net', '"a..b"@example.net', '"a."@example.net'])
def test_a_sender_that_would_lose_its_quotes_is_refused(address: str) -> None:
    """Python's parser returns these local parts without the quotes they need (RFC 5322, 3.2.3)."""
    with pytest.raises(ValueError, match="not an e-mail address"):
        check_sender(address)
