"""The kernel's own elements of sets, from ``nft --debug=netlink list ruleset``.

nft 1.0.6 prints the keys of some verdict maps without their last part (`ct original proto-dst` in a concatenation). The
debug output has what the kernel has: each set's elements as words of 32 bits, and which sets a rule looks into.
"""

from __future__ import annotations

import re
from collections import defaultdict

_SET = re.compile(r"(\w+ \S+) @(\S+)")
_ELEMENT = re.compile(r"\telement (.*?) ?: (.*?)(?: \d+)? \[end\]")
_RULE = re.compile(r"(\w+ \S+) (\S+) (\d+)(?: \d+)?\s*")
_LOOKUP = re.compile(r"  \[ (?:lookup reg \d+|objref sreg \d+) set (\S+) .*\]")


class KernelSets:
    """Elements by the rule that uses them.

    Args:
        text: the debug output, or "" for none.
    """

    def __init__(self, text: str = "") -> None:
        self._elements: defaultdict[tuple[str, str], list[tuple[str, str]]] = defaultdict(list)
        self._used: defaultdict[tuple[str, str, int], list[str]] = defaultdict(list)
        table = name = ""
        rule: tuple[str, str, int] | None = None
        for line in text.splitlines():
            if found := _SET.fullmatch(line.rstrip()):
                table, name = found[1], found[2]
            elif found := _ELEMENT.fullmatch(line.rstrip()):
                self._elements[table, name].append((found[1].strip(), found[2].strip()))
            elif found := _RULE.fullmatch(line):
                rule = found[1], found[2], int(found[3])
            elif rule is not None and (found := _LOOKUP.fullmatch(line.rstrip())):
                self._used[rule].append(found[1])

    def elements(self, table: str, chain: str, handle: int, number: int) -> list[tuple[str, str]] | None:
        """Key and value of each element of the set that a rule looks into; None if it isn't listed.

        Args:
            number: number of sets that the rule looks into before this one.
        """
        used = self._used.get((table, chain, handle), [])
        return self._elements[table, used[number]] if number < len(used) else None
