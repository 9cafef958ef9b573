"""Replacement of the product's parts. A sabotage that finds nothing to replace fails, in place of breaking nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

F = TypeVar("F", bound=Callable[..., Any])


class NothingReplaced(Exception):
    """The product does not have what a sabotage replaces."""


def replace_part(owner: object, name: str, part: object) -> None:
    """Replaces an attribute that a type checker does not see, such as a module's import.

    Args:
        owner: module or class that uses the attribute.
        name: name of the attribute.
        part: replacement of its value.

    Raises:
        NothingReplaced: the owner does not have the attribute.
    """
    if name not in vars(owner):
        raise NothingReplaced(f"{owner} has no {name}")
    setattr(owner, name, part)


def remembering(look_up: F) -> F:
    """Makes a look-up by the text after its context that is done once for each text, and remembered."""
    known: dict[str, Any] = {}

    def remembered(context: object, text: str, **options: Any) -> Any:
        if text not in known:
            known[text] = look_up(context, text, **options)
        return known[text]

    return cast(F, remembered)
