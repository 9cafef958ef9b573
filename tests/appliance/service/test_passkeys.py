"""Passkeys: added with the password, valid for this site only, and once for each challenge."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import cbor2
import pytest
from sqlalchemy import select
from webauthn.helpers import base64url_to_bytes, bytes_to_base64url

from appliance.model.errors import Conflict, Invalid, NotFound, NotPossible, Unauthenticated, WrongProof
from appliance.service import Actor, Context, accounts, enrolment, organizations, passkeys
from appliance.service.relying_party import RelyingParty
from appliance.store import schema
from tests.appliance.authenticator import Authenticator
from tests.appliance.clocks import after
from tests.appliance.conftest import sign_up
from tests.appliance.members import PASSWORD, again

SITE = "https://mesh.example.net"
HOLDER = "what a browser holds"
SHARED = b"\x83\xd8\x1c\x54" + bytes(20) + 2 * b"\xd8\x1d\x00"
"""Twenty bytes and two references to them, in CBOR: longer without these."""


@pytest.fixture
def context(context: Context) -> Context:
    return replace(context, site=SITE)


def add(context: Context, actor: Actor, device: Authenticator, password: str = PASSWORD) -> str:
    present = again(context, actor)
    options = passkeys.begin_adding(context, present, HOLDER)
    made = device.create(options)
    return passkeys.add(context, present, HOLDER, password=password, name="Laptop", credential=made).token


@pytest.fixture
def device(context: Context, owner: Actor) -> Authenticator:
    """Makes an authenticator with a passkey of the owner."""
    made = Authenticator(SITE)
    add(context, owner, made)
    return made


def enter(context: Context, device: Authenticator) -> Actor:
    credential = device.get(passkeys.begin_log_in(context, HOLDER))
    return accounts.actor_of(context, passkeys.log_in(context, HOLDER, credential=credential).token)


def test_a_passkey_opens_its_owner_s_account(context: Context, owner: Actor, device: Authenticator) -> None:
    assert enter(context, device) == owner
    (known,) = passkeys.all_of(context, owner)
    assert known.last_used_at is not None
    assert known.sign_count == 1
    trail = organizations.trail(context, owner)[0]
    assert [entry.action for entry in trail][:2] == ["session.opened", "passkey.added"]
    assert trail[0].detail["passkey"] == "Laptop"


@pytest.mark.usefixtures("device")
def test_a_passkey_replaces_password_and_second_factor(context: Context, owner: Actor, device: Authenticator) -> None:
    made = enrolment.propose(context, again(context, owner), password=PASSWORD)
    assert made.secret
    options = json.loads(passkeys.begin_log_in(context, HOLDER))
    assert options["userVerification"] == "required"
    assert options.get("allowCredentials", []) == []
    device.verifies = False
    with pytest.raises(Unauthenticated):
        enter(context, device)


def test_a_challenge_is_valid_once_for_one_holder_and_expires(context: Context, device: Authenticator) -> None:
    options = passkeys.begin_log_in(context, HOLDER)
    credential = device.get(options)
    with pytest.raises(Unauthenticated):
        passkeys.log_in(context, "somebody else", credential=credential)
    passkeys.log_in(context, HOLDER, credential=credential)
    with pytest.raises(Unauthenticated):
        passkeys.log_in(context, HOLDER, credential=credential)
    options = passkeys.begin_log_in(context, HOLDER)
    late = after(context, timedelta(minutes=6))
    with pytest.raises(Unauthenticated):
        passkeys.log_in(late, HOLDER, credential=device.get(options))
    passkeys.begin_log_in(late, HOLDER)
    with context.store.read() as transaction:
        assert len(transaction.execute(select(schema.challenges)).all()) == 1


@pytest.mark.parametrize(
    "origin", ["https://evil.example", "https://mesh.example.net:8443", "http://mesh.example.net", "null"]
)
def test_a_signature_for_another_site_is_refused(
    context: Context, owner: Actor, device: Authenticator, origin: str
) -> None:
    device.origin = origin
    with pytest.raises(Unauthenticated):
        enter(context, device)
    with pytest.raises(Invalid):
        add(context, owner, Authenticator(origin))


def test_a_copied_authenticator_is_noticed_by_its_counter(context: Context, device: Authenticator) -> None:
    enter(context, device)
    copied = device.count
    enter(context, device)
    device.count = copied
    with pytest.raises(Unauthenticated):
        enter(context, device)


def test_a_signature_or_handle_of_another_person_is_refused(
    context: Context, owner: Actor, device: Authenticator
) -> None:
    stranger = sign_up(context, "stranger@example.net")
    other = Authenticator(SITE)
    add(context, stranger, other)
    forged = Authenticator(SITE, credential_id=device.credential_id, user_handle=device.user_handle)
    relabelled = replace(device, user_handle=other.user_handle)
    unknown = Authenticator(SITE, user_handle=device.user_handle)
    for each in (forged, relabelled, unknown):
        with pytest.raises(Unauthenticated):
            enter(context, each)
    assert enter(context, other) == stranger
    assert enter(context, device) == owner


@pytest.mark.parametrize("credential", ["", "{}", "[]", "null", '{"id": 1}', "\ud800", "x" * 10_000])
def test_invalid_credentials_are_refused(context: Context, owner: Actor, credential: str) -> None:
    with pytest.raises(Unauthenticated):
        passkeys.log_in(context, HOLDER, credential=credential)
    with pytest.raises(Invalid):
        passkeys.add(context, owner, HOLDER, password=PASSWORD, name="Laptop", credential=credential)


def test_deeply_nested_credentials_are_refused(context: Context, device: Authenticator) -> None:
    credential = json.loads(device.get(passkeys.begin_log_in(context, HOLDER)))
    credential["response"]["clientDataJSON"] = bytes_to_base64url(b"[" * 50_000)
    with pytest.raises(Unauthenticated):
        passkeys.log_in(context, HOLDER, credential=json.dumps(credential))


def add_with_key(context: Context, owner: Actor, new: Authenticator, change: Callable[[bytes], bytes]) -> None:
    """Adds a passkey whose public key, in CBOR, is changed on the way."""
    credential = json.loads(new.create(passkeys.begin_adding(context, again(context, owner), HOLDER)))
    made = cbor2.loads(base64url_to_bytes(credential["response"]["attestationObject"]))
    at = made["authData"].index(new.credential_id) + len(new.credential_id)
    made["authData"] = made["authData"][:at] + change(made["authData"][at:])
    credential["response"]["attestationObject"] = bytes_to_base64url(cbor2.dumps(made))
    passkeys.add(context, owner, HOLDER, password=PASSWORD, name="Laptop", credential=json.dumps(credential))


def with_more(public_key: bytes, more: bytes) -> bytes:
    """Adds an entry to a map of five entries."""
    return bytes([public_key[0] + 1]) + public_key[1:] + b"\x18\x63" + more


@pytest.mark.parametrize("public_key", [[], {}, 1, {1: 2, 3: -7}])
def test_a_new_passkey_without_a_key_is_refused(context: Context, owner: Actor, public_key: object) -> None:
    with pytest.raises(Invalid):
        add_with_key(context, owner, Authenticator(SITE), lambda _: cbor2.dumps(public_key))


@pytest.mark.parametrize(
    "more",
    [
        pytest.param(SHARED, id="an item that is shared"),
        pytest.param(b"\x9f\x01\xff", id="no length at the begin"),
        pytest.param(cbor2.dumps([[[[[[[[1]]]]]]]]), id="nested too deep"),
        pytest.param(cbor2.dumps(bytes(5000)), id="a large key"),
        pytest.param(cbor2.dumps(bytes(20_000)), id="a large credential"),
        pytest.param(b"\x59\xff\xff", id="not whole"),
    ],
)
def test_a_key_with_odd_or_large_parts_is_refused(context: Context, owner: Actor, more: bytes) -> None:
    with pytest.raises(Invalid):
        add_with_key(context, owner, Authenticator(SITE), lambda key: with_more(key, more))
    assert passkeys.all_of(context, owner) == []


def test_what_a_key_has_beside_is_taken(context: Context, owner: Actor) -> None:
    add_with_key(context, owner, Authenticator(SITE), lambda key: with_more(key, cbor2.dumps({"any": [1, 2.5, None]})))
    assert len(passkeys.all_of(context, owner)) == 1


def test_a_long_passkey_id_is_refused(context: Context, owner: Actor) -> None:
    with pytest.raises(Invalid):
        add(context, owner, Authenticator(SITE, credential_id=bytes(1024)))


def test_tags_in_the_use_of_a_passkey_are_refused(context: Context, device: Authenticator) -> None:
    device.extensions = cbor2.dumps({"known": True})
    enter(context, device)
    device.extensions = b"\xa1\x01" + SHARED
    with pytest.raises(Unauthenticated):
        enter(context, device)


def test_adding_a_passkey_needs_the_password_and_ends_sessions(context: Context, owner: Actor) -> None:
    device = Authenticator(SITE)
    with pytest.raises(WrongProof):
        add(context, owner, device, password="wrong")
    before = add(context, owner, device)
    with pytest.raises(Conflict):
        add(context, owner, device)
    latest = add(context, owner, Authenticator(SITE))
    with pytest.raises(Unauthenticated):
        accounts.actor_of(context, before)
    assert accounts.actor_of(context, latest) == owner
    asked = json.loads(passkeys.begin_adding(context, again(context, owner), HOLDER))
    assert len(asked["excludeCredentials"]) == 2
    assert asked["authenticatorSelection"]["residentKey"] == "required"


def test_the_passkeys_of_a_person_are_bounded(context: Context, owner: Actor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(passkeys, "MOST", 1)
    add(context, owner, Authenticator(SITE))
    with pytest.raises(Conflict):
        passkeys.begin_adding(context, again(context, owner), HOLDER)


def test_only_its_holder_renames_and_removes_a_passkey(context: Context, owner: Actor, device: Authenticator) -> None:
    stranger, owner = sign_up(context, "stranger@example.net"), again(context, owner)
    (known,) = passkeys.all_of(context, owner)
    with pytest.raises(NotFound):
        passkeys.rename(context, stranger, known.id, name="mine")
    with pytest.raises(NotFound):
        passkeys.remove(context, stranger, known.id, password=PASSWORD)
    with pytest.raises(Invalid):
        passkeys.rename(context, owner, known.id, name=" ")
    passkeys.rename(context, owner, known.id, name="Phone")
    assert [each.name for each in passkeys.all_of(context, owner)] == ["Phone"]
    with pytest.raises(WrongProof):
        passkeys.remove(context, owner, known.id, password="wrong")
    passkeys.remove(context, owner, known.id, password=PASSWORD)
    with pytest.raises(Unauthenticated):
        enter(context, device)
    assert [entry.action for entry in organizations.trail(context, owner)[0]][:2] == [
        "passkey.removed",
        "passkey.renamed",
    ]


def test_a_service_without_a_name_has_no_passkeys(context: Context, owner: Actor) -> None:
    for site in ("https://192.0.2.1:8443", "https://[2001:db8::1]"):
        nameless = replace(context, site=site)
        assert passkeys.origin(nameless) is None
        with pytest.raises(NotPossible):
            passkeys.begin_log_in(nameless, HOLDER)
        with pytest.raises(NotPossible):
            passkeys.begin_adding(nameless, owner, HOLDER)


@pytest.mark.parametrize(
    ("site", "party"),
    [
        ("https://Mesh.Example.net:443", RelyingParty("mesh.example.net", "https://mesh.example.net")),
        ("https://localhost:8443", RelyingParty("localhost", "https://localhost:8443")),
        ("https://192.0.2.1", None),
    ],
)
def test_the_origin_is_spelled_as_browsers_spell_it(site: str, party: RelyingParty | None) -> None:
    assert RelyingParty.of(site) == party
