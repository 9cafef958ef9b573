"""Breaks of what is sealed, and of who keeps a key."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

from appliance.service import machines, repeats
from appliance.service.context import Actor, Context
from appliance.service.machines import IssuedMachine
from appliance.service.repeats import Work
from appliance.store import audit
from appliance.vault import Lock, vault
from appliance.web.posts import Posts

_add, _derive = machines.add, vault._derive


class _NoContext:
    """Seals whatever is given for whomever."""

    def __init__(self, key: bytes) -> None:
        self._cipher = ChaCha20Poly1305(key)

    def encrypt(self, nonce: bytes, data: bytes, context: bytes) -> bytes:
        del context
        return self._cipher.encrypt(nonce, data, None)

    def decrypt(self, nonce: bytes, data: bytes, context: bytes) -> bytes:
        del context
        return self._cipher.decrypt(nonce, data, None)


def seal_without_context() -> None:
    """A sealed key does not say whose it is."""
    vars(vault)["ChaCha20Poly1305"] = _NoContext


def derive_from_nothing() -> None:
    """What keys are sealed under is derived from the salt alone."""

    def derive(secret: str, lock: Lock) -> bytes:
        del secret
        return _derive("", lock)

    vault._derive = derive


def keep_configurations() -> None:
    """What a machine got is kept, to be shown once more on request."""

    def add(context: Context, actor: Actor, **wishes: Any) -> IssuedMachine:
        issued = _add(context, actor, **wishes)
        kept = {"machine": issued.machine.id, "private_key": issued.configuration.private_key}
        with context.store.write() as transaction:
            audit.record(transaction, actor.organization_id, actor.email, "machine.kept", kept, context.clock())
        return issued

    machines.add = add


def forget_forms() -> None:
    """A form that comes again is taken for a new one."""

    def idempotent_form(context: Context, actor: Actor, *, form: bytes, work: Work) -> None:
        del context, form
        work(actor)

    repeats.idempotent_form = idempotent_form


def join_no_clicks() -> None:
    """A form that comes while the first is worked on is worked on beside it."""

    def answer(self: Posts[Any, Any], flight: bytes, work: Callable[[], Any]) -> Any:
        del self, flight
        return work()

    Posts.answer = answer  # type: ignore[method-assign]
