"""No repr shows a secret, so that logging a value by accident reveals nothing."""

from __future__ import annotations

import inspect
import pkgutil
from collections.abc import Iterator
from dataclasses import fields
from importlib import import_module
from typing import Any

import msgspec

import appliance

SECRETS = {
    *("private", "private_key", "config", "smtp_url", "database_url", "metrics_token"),
    *("password", "new_password", "secret", "uri", "code", "codes", "recovery_codes", "credential", "handle"),
    *("token", "ticket", "link"),
}
"""Names of fields with secrets."""

HARMLESS = {
    ("Actor", "credential"): "hides its own hash",
    ("Actor", "token"): "name of a token",
    ("Announcement", "secret"): "path of a file",
    ("IssuedToken", "token"): "facts about a token",
    ("LeasedKey", "token"): "number of an owner",
    ("Fence", "token"): "number of an owner",
    ("ShardStatus", "token"): "number of an owner",
    ("RestoredMember", "recovery_codes"): "number of codes",
    ("OperatorStanding", "recovery_codes"): "number of codes",
    ("FreshProof", "code"): "step or digest of a code",
}


class Mark(str):
    """Value for any field: a text, each attribute of which is the text itself."""

    __slots__ = ()

    def __getattr__(self, name: str) -> Mark:
        return self


def types() -> Iterator[Any]:
    """Lists every dataclass and struct of the appliance."""
    for found in pkgutil.walk_packages(appliance.__path__, "appliance."):
        if found.name.endswith("__main__") or ".migrations" in found.name:
            continue
        for kind in vars(import_module(found.name)).values():
            if inspect.isclass(kind) and kind.__module__ == found.name:
                yield kind


def shown_by(kind: Any) -> list[str]:
    """Lists the fields whose values the repr of this type shows."""
    if hasattr(kind, "__dataclass_fields__"):
        names = [each.name for each in fields(kind)]
        made = object.__new__(kind)
        for name in names:
            object.__setattr__(made, name, Mark(f"value-of-{name}-"))
    elif issubclass(kind, msgspec.Struct):
        names = list(kind.__struct_fields__)
        made = kind(**{name: Mark(f"value-of-{name}-") for name in names})
    else:
        return []
    return [name for name in names if f"value-of-{name}-" in repr(made)]


def test_no_repr_shows_a_secret() -> None:
    shown = set()
    for kind in types():
        # In the hub, a link is a network interface.
        secrets = SECRETS - {"link"} if kind.__module__.startswith("appliance.hub") else SECRETS
        shown |= {(kind.__name__, name) for name in shown_by(kind) if name in secrets}
    assert shown == set(HARMLESS)
