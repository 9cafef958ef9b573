"""Sabotages of sealed keys, and of keys that are shown once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from sqlalchemy import Connection, select

from appliance.service import machines, repeats, tokens
from appliance.service.actor import Actor
from appliance.service.context import Context
from appliance.service.machines import IssuedMachine
from appliance.service.repeats import Work
from appliance.store import audit, schema
from appliance.store import repeats as stored_repeats
from appliance.store.repeats import RequestKey, StoredAnswer, StoredRequest
from appliance.vault import Lock, codes, vault
from appliance.web.api import repetition
from appliance.web.posts import Posts
from appliance.web.request import Request
from appliance.web.response import Response
from harness.sabotage.parts import replace_part

_add, _rotate, _derive, _find = machines.add, machines.rotate, vault.derive_key, stored_repeats.find


class _NoContext:
    """Cipher that ignores the context of a sealed key."""

    def __init__(self, key: bytes) -> None:
        self._cipher = ChaCha20Poly1305(key)

    def encrypt(self, nonce: bytes, data: bytes, context: bytes) -> bytes:
        del context
        return self._cipher.encrypt(nonce, data, None)

    def decrypt(self, nonce: bytes, data: bytes, context: bytes) -> bytes:
        del context
        return self._cipher.decrypt(nonce, data, None)


def seal_without_context() -> None:
    """Seals keys without the organization in the context."""
    replace_part(vault, "ChaCha20Poly1305", _NoContext)


def mix_request_keys() -> None:
    """Finds a remembered request by its key alone, whatever organization it is of."""

    def find(transaction: Connection, key: RequestKey) -> StoredRequest | None:
        same = select(schema.repeats.c.organization_id).where(schema.repeats.c.key_hash == key.hash)
        first = transaction.execute(same.order_by(schema.repeats.c.began_at).limit(1)).scalar_one_or_none()
        return None if first is None else _find(transaction, RequestKey(first, key.hash))

    stored_repeats.find = find


def mix_requests_of_a_key() -> None:
    """Takes any request with a remembered key for a repetition of the earlier one."""
    idempotent = repeats.idempotent

    def by_key_alone(context: Context, actor: Actor, *, key: str, request: bytes, work: Work) -> StoredAnswer | None:
        del request
        return idempotent(context, actor, key=key, request=b"", work=work)

    repeats.idempotent = by_key_alone


def derive_from_nothing() -> None:
    """Derives the sealing key from the salt alone, without the unlock secret."""

    def derive(secret: str, lock: Lock) -> bytes:
        del secret
        return _derive("", lock)

    vault.derive_key = derive


def keep_configurations() -> None:
    """Keeps the private key of a configuration in the audit log."""

    def add(context: Context, actor: Actor, **wishes: Any) -> IssuedMachine:
        issued = _add(context, actor, **wishes)
        kept = {"machine": issued.machine.id, "private_key": issued.configuration.private_key}
        with context.store.write() as transaction:
            audit.record(transaction, actor.organization_id, actor.email, "machine.kept", kept, context.clock())
        return issued

    machines.add = add


def forget_forms() -> None:
    """Takes a repeated form for a new one."""

    def idempotent_form(context: Context, actor: Actor, *, form: bytes, work: Work) -> None:
        del context, form
        work(actor)

    repeats.idempotent_form = idempotent_form


def make_keys_again() -> None:
    """Takes a repeated form for a new one, also if the machine has another key than the one that its page was for."""
    forget_forms()

    def rotate(*arguments: Any, seen: object = None, **named: Any) -> IssuedMachine:
        del seen
        return _rotate(*arguments, **named)

    machines.rotate = rotate


def join_no_clicks() -> None:
    """Handles equal forms that arrive at the same time side by side."""

    def answer(self: Posts[Any, Any], flight: bytes, work: Callable[[], Any]) -> Any:
        del self, flight
        return work()

    Posts.answer = answer  # type: ignore[method-assign]


def keep_answers_with_keys() -> None:
    """Keeps the answers to requests with an Idempotency-Key, whatever secret they show."""
    idempotent = repetition.idempotent

    def keeping(
        context: Context, request: Request, actor: Actor, work: Callable[[Actor], Response], *, may_keep: bool
    ) -> Response:
        del may_keep
        return idempotent(context, request, actor, work, may_keep=True)

    repetition.idempotent = keeping


def store_tokens() -> None:
    """Stores tokens themselves in place of their hashes."""
    tokens.hash_of = lambda token: token


def store_code_secrets() -> None:
    """Stores the secrets of second factors without sealing them."""

    class Unsealed:
        def __init__(self, key: bytes) -> None:
            del key

        def sealed(self, secret: bytes, context: bytes) -> bytes:
            del context
            return secret

        def opened(self, sealed: bytes, context: bytes) -> bytes:
            del context
            return sealed

    replace_part(codes, "Vault", Unsealed)
