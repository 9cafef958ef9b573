"""Kinds of sabotage with a size, named KIND:VALUE: how small a fault is noticed?"""

from __future__ import annotations

from dataclasses import dataclass


class BadValue(ValueError):
    """The value of a calibrated sabotage is not one that it can have; the message is one sentence."""


@dataclass(frozen=True)
class Kind:
    """A sabotage that needs a value.

    Attributes:
        name: part of the sabotage's id before the colon.
        broke: effect on the service in words, with ``{}`` for the value.
        function: ``module:function`` in this package that takes the value and puts it into the service.
        values: values that are tried, from the largest fault to the smallest.
        least, most: bounds of the value.
        is_share: True if the value is the N of "one packet of N", so that a larger value is a smaller fault.
    """

    name: str
    broke: str
    function: str
    values: tuple[int, ...]
    least: int
    most: int
    is_share: bool = False

    def sabotage_id(self, value: int) -> str:
        """Id of the sabotage with this value."""
        return f"{self.name}:{value}"


_SHARES = (10, 100, 1_000, 10_000)
_MOST_MS, _MOST_SHARE = 10_000, 1_000_000

KINDS = (
    Kind(
        "late",
        "a save is enforced {} ms after its answer",
        "graded:enforce_late",
        (50, 10, 5, 2),
        1,
        _MOST_MS,
    ),
    Kind(
        "stall",
        "the hub forwards nothing for {} ms at each save",
        "graded:stall",
        (500, 100, 20, 5),
        1,
        _MOST_MS,
    ),
    Kind(
        "leak",
        "one denied packet of {} passes",
        "graded:leak",
        _SHARES,
        2,
        _MOST_SHARE,
        is_share=True,
    ),
    Kind(
        "loss",
        "one allowed packet of {} is lost",
        "graded:lose",
        _SHARES,
        2,
        _MOST_SHARE,
        is_share=True,
    ),
    Kind(
        "leak-across",
        "one packet of {} is forwarded to the organization that signed up before",
        "graded:leak_across",
        _SHARES,
        2,
        _MOST_SHARE,
        is_share=True,
    ),
    Kind(
        "leak-outside",
        "one packet of {} to addresses elsewhere leaves the mesh",
        "graded:leak_outside",
        _SHARES,
        2,
        _MOST_SHARE,
        is_share=True,
    ),
)
BY_NAME = {kind.name: kind for kind in KINDS}


def parse(sabotage: str) -> tuple[Kind, int] | None:
    """Returns kind and value of a calibrated sabotage; None if the id is not KIND:VALUE with such a kind.

    Raises:
        BadValue: its value is no number, or out of bounds.
    """
    name, colon, text = sabotage.partition(":")
    kind = BY_NAME.get(name)
    if kind is None or not colon:
        return None
    value = int(text) if text.isascii() and text.isdecimal() and len(text) <= len(str(kind.most)) else 0
    if not kind.least <= value <= kind.most:
        raise BadValue(f"The sabotage {name} takes a whole number from {kind.least} to {kind.most}, not {text!r}.")
    return kind, value
