"""The relay: what it is given, over which kind of connection, and what becomes of a refusal."""

from __future__ import annotations

import socket
import ssl
from dataclasses import replace

import pytest

from appliance.mail import Relay, Undeliverable, Unreachable
from appliance.model.letters import Letter
from appliance.web import tls
from tests.appliance.mail.mailbox import Mailbox

LETTER = Letter("asha@example.net", "Invitation to Ärzte & Co", "Go to https://vpn.example.net/join/mwi_x\n")


def relay_at(mailbox: Mailbox, scheme: str = "smtp", user: str = "") -> Relay:
    return Relay.parse(f"{scheme}://{user}127.0.0.1:{mailbox.port}", "meshwg@vpn.example.net")


def test_a_letter_arrives_as_it_was_written(mailbox: Mailbox) -> None:
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


def test_it_logs_in_where_there_is_a_user(mailbox: Mailbox) -> None:
    relay_at(mailbox, user="meshwg:s3cret%2F%40%3A@").send(LETTER)
    assert mailbox.users == ["meshwg"]
    assert len(mailbox.letters) == 1
    with pytest.raises(Unreachable, match="535"):
        relay_at(mailbox, user="meshwg:other@").send(LETTER)


@pytest.mark.parametrize(
    ("says", "expected"), [("451 later", Unreachable), ("421 closing", Unreachable), ("554 never", Undeliverable)]
)
def test_a_refusal_is_for_now_or_for_good(mailbox: Mailbox, says: str, expected: type[Exception]) -> None:
    mailbox.says = says
    with pytest.raises(expected):
        relay_at(mailbox).send(LETTER)
    mailbox.says, mailbox.says_of_recipient = "250 OK", says
    with pytest.raises(expected) as refused:
        relay_at(mailbox).send(LETTER)
    assert "asha" not in str(refused.value)
    assert mailbox.letters == []


def test_a_relay_that_is_not_there_is_asked_again() -> None:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        relay = Relay.parse(f"smtp://127.0.0.1:{bound.getsockname()[1]}", "meshwg@example.net")
        with pytest.raises(Unreachable):
            relay.send(LETTER)


@pytest.mark.parametrize("recipient", ["a,b@example.net", "<x>@example.net", "a@example.net\nBcc: b@example.net", ""])
def test_what_could_be_more_than_one_address_is_sent_to_nobody(mailbox: Mailbox, recipient: str) -> None:
    with pytest.raises(Undeliverable):
        relay_at(mailbox).send(replace(LETTER, recipient=recipient))
    assert mailbox.letters == []


def test_an_address_at_a_host_beyond_ascii_needs_no_relay_that_knows_such(mailbox: Mailbox) -> None:
    relay_at(mailbox).send(replace(LETTER, recipient="asha@b\u00fccher.example"))
    assert mailbox.recipients == ["asha@xn--bcher-kva.example"]
    for recipient in ("\u00e4@example.net", "asha@\u2603.example", "asha@b\u00fccher..example"):
        with pytest.raises(Undeliverable):
            relay_at(mailbox).send(replace(LETTER, recipient=recipient))


@pytest.fixture
def certificate(monkeypatch: pytest.MonkeyPatch) -> ssl.SSLContext:
    """A certificate for 127.0.0.1 that this process trusts."""
    file, key = tls.self_signed(["127.0.0.1"]).as_files()
    monkeypatch.setenv("SSL_CERT_FILE", str(file))
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(file, key)
    return context


def test_tls_from_the_first_byte(certificate: ssl.SSLContext) -> None:
    with Mailbox.open(certificate, tls_first=True) as mailbox:
        relay_at(mailbox, "smtps").send(LETTER)
        assert len(mailbox.letters) == 1


def test_starttls_is_required_of_every_other_host(certificate: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Relay, "_is_on_this_host", lambda _: False)
    with Mailbox.open(certificate) as mailbox:
        relay_at(mailbox).send(LETTER)
        assert mailbox.started_tls == [True]
    with Mailbox.open() as mailbox:
        with pytest.raises(Unreachable):
            relay_at(mailbox).send(LETTER)
        assert mailbox.letters == []


def test_a_certificate_that_nobody_vouches_for_gets_no_letter(
    certificate: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SSL_CERT_FILE")
    with Mailbox.open(certificate, tls_first=True) as mailbox:
        with pytest.raises(Unreachable):
            relay_at(mailbox, "smtps").send(LETTER)
        assert mailbox.letters == []


@pytest.mark.parametrize(
    "url", ["", "mail.example.net", "http://mail.example.net", "smtp://", "smtp://user@mail.example.net", "smtp://h/x"]
)
def test_what_is_no_relay_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match=r"smtp|password"):
        Relay.parse(url, "meshwg@example.net")


def test_a_relay_does_not_show_its_password() -> None:
    relay = Relay.parse("smtps://user:hidden@mail.example.net", "meshwg@example.net")
    assert (relay.host, relay.port, relay.tls_first, relay.password) == ("mail.example.net", 465, True, "hidden")
    assert "hidden" not in repr(relay)
