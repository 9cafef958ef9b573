"""Operators on nftables text: edits of the source of a string in the product's code.

A string may have parts that are computed (``{hub}``), and braces that stand for themselves (``{{``). An edit changes
the text between them, or leaves a match out with the part that it compares with.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

_VALUE = r'(?:\{\{.*?\}\}|\{[^{}]*\}|"[^"]*"|[^\s"{}]+)'
_FIELD = (
    r"(?:iifname|oifname|ct state|ct status|ct protocol|meta l4proto|icmp type|(?:ct original )?ip6? [sd]addr"
    r"|(?:udp|tcp) [sd]port|fib daddr type|@(?:th|nh|ih),\d+,\d+|meta (?:mark|priority)(?! set)(?: & \{[^{}]*\})?)"
)
_NUMBER = re.compile(r"(?<![\w.#@-])(?:0x[0-9a-f]+|\d+)(?![\w.])")
_LEADS = re.compile(r"\b(?:goto|jump) ([a-z]\w*)\b")


@dataclass(frozen=True)
class Edit:
    """One change of a string's source.

    Attributes:
        operator: name of the operator.
        text: the source after it.
    """

    operator: str
    text: str


# Name, pattern and replacement. Each place where a pattern matches is one mutant.
_REPLACEMENTS = tuple(
    (name, re.compile(pattern), replacement)
    for name, pattern, replacement in (
        ("verdict", r"\baccept\b", "drop"),
        ("verdict", r"\bdrop\b", "accept"),
        ("end", r"\bsaddr\b", "daddr"),
        ("end", r"\bdaddr\b", "saddr"),
        ("port", r"\bdport\b", "sport"),
        ("port", r"\bsport\b", "dport"),
        ("port", r"\bproto-dst\b", "proto-src"),
        ("link", r"\biifname\b", "oifname"),
        ("link", r"\boifname\b", "iifname"),
        ("comparison", " != ", " "),
        ("comparison", " == ", " != "),
        ("bits", " & ", " | "),
        ("bits", r" \| ", " & "),
        ("direction", r"\bct original\b", "ct reply"),
        ("state", r"\bnew,established\b", "new"),
        ("state", r"\bnew,established\b", "established"),
        ("state", r"\bnew,established\b", "new,established,related"),
        ("state", r"\brelated\b", "related,established"),
        ("state", r"\bconfirmed\b", "seen-reply"),
        ("way", r"\bgoto\b", "jump"),
        ("way", r"\bjump\b", "goto"),
        ("way", r"\bcontinue\b", "return"),
        ("protocol", r"\bicmp(?! type)\b", "udp"),
        ("protocol", r"\btcp\b", "udp"),
        ("protocol", r"\budp\b(?! [sd]port)", "tcp"),
        ("kind", r"\becho-request\b", "echo-reply"),
        ("kind", r"\bdestination-unreachable, ", ""),
        ("kind", r"\btime-exceeded, ", ""),
        ("kind", r", parameter-problem\b", ""),
        ("kind", r"\bparameter-problem\b", "parameter-problem, redirect"),
        ("hook", r"\bhook prerouting\b", "hook input"),
        ("hook", r"\bhook forward\b", "hook postrouting"),
        ("hook", r"\bhook input\b", "hook forward"),
        ("priority", r"\bpriority raw\b", "priority mangle"),
        ("priority", r"\bpriority mangle\b", "priority filter"),
        ("priority", r"\bpriority filter\b", "priority raw"),
        ("place", r"\bmeta mark\b", "meta priority"),
        ("place", r"\bmeta priority\b", "meta mark"),
        ("tracking", r"\bnotrack\b", "accept"),
        ("rate", r"\bover ", ""),
        ("removal", rf"{_FIELD} (?:[!=]= )?{_VALUE} ", ""),
        ("removal", r"\b(?:meta mark|meta priority) set \S+ ", ""),
    )
)


def edits(text: str, chains: Callable[[str], str]) -> Iterator[Edit]:
    """Yields the mutants of a string's source.

    Args:
        text: the source, with quotes and prefix.
        chains: returns another chain than the one of that name.
    """
    for name, pattern, replacement in _REPLACEMENTS:
        yield from _at_each(name, pattern, partial(_constant, replacement), text)
    for step in (1, -1):
        yield from _at_each("number", _NUMBER, partial(_moved, step), text)
    yield from _at_each("lead", _LEADS, lambda found: found[0].replace(found[1], chains(found[1])), text)


def led_to(text: str) -> set[str]:
    """Returns the names of the chains that a string's source leads to."""
    return {found[1] for found in _LEADS.finditer(text)}


def _at_each(name: str, pattern: re.Pattern[str], new: Callable[[re.Match[str]], str], text: str) -> Iterator[Edit]:
    for found in pattern.finditer(text):
        changed = text[: found.start()] + new(found) + text[found.end() :]
        if changed != text:
            yield Edit(name, changed)


def _constant(new: str, _: re.Match[str]) -> str:
    return new


def _moved(by: int, found: re.Match[str]) -> str:
    value = max(0, int(found[0], 0) + by)
    return f"{value:#x}" if found[0].startswith("0x") else str(value)
