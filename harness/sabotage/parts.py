"""Replacement of the product's parts. A sabotage that finds nothing to replace fails, in place of breaking nothing."""

from __future__ import annotations


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
