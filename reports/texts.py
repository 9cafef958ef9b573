"""Numbers and texts of a run, worded for people."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from typing import Any

from reports.chances import fewer_than
from reports.exhibits import Cell, Passed
from reports.fields import MOST_WORDS


def printable(text: str) -> str:
    """Replaces characters that XML and terminals can't carry, or that change the display of others, by U+FFFD."""
    return "".join(character if _is_shown(character) else "\N{REPLACEMENT CHARACTER}" for character in text)


def one_line(text: str) -> str:
    """Makes a text printable and puts it on one line."""
    return printable(text).replace("\n", "\N{REPLACEMENT CHARACTER}").replace("\t", " ")


def _is_shown(character: str) -> bool:
    # Python calls no space but the ordinary one printable; figures and names have others.
    return character.isprintable() or character in "\n\t" or unicodedata.category(character) == "Zs"


def clipped(text: str) -> str:
    """Returns a text in the length that a transcript allows."""
    return text if len(text) <= MOST_WORDS else text[: MOST_WORDS - 1] + "…"


def figure(value: Any) -> str:
    """Writes a measured value with its unit; a time gets the unit that leaves two or three digits.

    A count of none among known chances is followed by the largest share that it leaves possible.

    Args:
        value: a plain value, or `{value, unit, limit, of}`.
    """
    if not isinstance(value, dict) or "value" not in value:
        return _plain(value)
    unit, of = str(value.get("unit") or ""), value.get("of")
    if type(of) is not int:
        return _with_unit(value["value"], unit)
    counted = f"{_plain(value['value'])} of {_with_unit(of, unit)}"
    bound = None if value["value"] != 0 else fewer_than(of)
    return counted if bound is None else f"{counted}: fewer than 1 in {_plain(bound)}"


def limit(value: Any) -> str:
    """Returns the limit that the claim sets for a measured value; empty if it sets none.

    Args:
        value: a plain value, or `{value, unit, limit, of}`.
    """
    return str(value["limit"]) if isinstance(value, dict) and "limit" in value else ""


def conditions(drawn: Mapping[str, str]) -> str:
    """Writes the conditions of a scenario on one line."""
    return "; ".join(f"{name} {value}" for name, value in drawn.items())


def duration(seconds: float) -> str:
    """Writes a duration, such as 340 µs, 12 ms, 3.2 s or 2 min 5 s."""
    # Where rounding would show the next unit's first value, the next unit does.
    if seconds < 0.0009995:
        return f"{seconds * 1e6:.0f} µs"
    if seconds < 0.9995:
        return f"{seconds * 1e3:.3g} ms"
    if seconds < 120:
        return f"{seconds:.3g} s"
    return f"{int(seconds // 60)} min {int(seconds % 60)} s"


def outcome(cell: Cell) -> str:
    """Writes the policy's verdict on a cell of a truth table and the measurement, in capitals where the two differ."""
    many = f" {cell.arrived} of {cell.sent}" if cell.sent > 1 else ""
    if cell.allowed:
        return (
            f"allowed,{many} arrived" if cell.is_right else f"allowed, {cell.sent - cell.arrived} of {cell.sent} LOST"
        )
    if cell.is_right:
        return f"denied, none of {cell.sent} arrived" if cell.sent > 1 else "denied, dropped"
    return f"denied, {cell.arrived} of {cell.sent} ARRIVED"


def passed(of: Passed) -> str:
    """Writes the delivery of a stream's packets after a save, in capitals where it differs from the policy."""
    said = {True: "allowed", False: "denied", None: "not judged"}[of.allowed]
    wrong = f", {of.wrong} of them {'LOST' if of.allowed else 'ARRIVED'}" if of.wrong else ""
    return f"{said}, {of.delivered} of {of.sent} delivered{wrong}"


def many(count: int, what: str) -> str:
    """Writes a count, such as "1 claim" or "2 claims".

    Args:
        count: the number.
        what: a noun in the singular.
    """
    return f"{count} {what}" if count == 1 else f"{count} {what}s"


def amount(value: float, unit: str) -> str:
    """Writes a number with its unit.

    Args:
        value: the number.
        unit: its unit; "s" for times, empty for none.
    """
    return _with_unit(float(value), unit)


def _with_unit(value: Any, unit: str) -> str:
    if unit == "s" and isinstance(value, int | float):
        return duration(float(value))
    return f"{_plain(value)} {unit}".strip()


def _plain(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}".replace(",", "\N{NARROW NO-BREAK SPACE}")
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, list):
        return ", ".join(_plain(each) for each in value)
    return "none" if value is None else str(value)
