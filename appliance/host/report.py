"""Report of a diagnosis, for people and for programs.

It takes the standard library alone, because `meshwg doctor` also works before anything is installed.
"""

from __future__ import annotations

import json
import os
import shutil
import textwrap
from collections.abc import Iterator
from typing import Any, TextIO

from appliance.host.diagnosis import Diagnosis
from appliance.host.finding import Finding, FindingState

_GREEN, _RED, _YELLOW, _BOLD = "32", "1;31", "33", "1"
_STYLE = {FindingState.OK: _GREEN, FindingState.MISSING: _RED, FindingState.OPTIONAL: _YELLOW}
_STATE_WIDTH = max(len(state.value) for state in FindingState)
_LEAST_ROOM = 20
_HEADINGS = {
    "up": "To run the hub (up)",
    "gate": "To run the gate, as this user",
    "test": "To run the tests",
    "lab": "For labs",
}


def exit_code(diagnosis: Diagnosis) -> int:
    """Choose the exit code, which is about the hub alone."""
    if diagnosis.up:
        return os.EX_OK
    return os.EX_NOPERM if diagnosis.up_lacks_only_root else os.EX_UNAVAILABLE


def document(diagnosis: Diagnosis) -> dict[str, Any]:
    """Format the diagnosis for programs."""
    chosen = diagnosis.chosen
    return {
        "up": diagnosis.up,
        "gate": diagnosis.gate,
        "rootless": diagnosis.rootless,
        "wireguard": {
            "chosen": None if chosen is None else chosen.name,
            "version": None if chosen is None else chosen.version,
        },
        "distribution": diagnosis.distribution,
        "kernel": diagnosis.kernel,
        "findings": [
            {
                "id": each.id,
                "state": each.state.value,
                "found": each.found,
                "needed_by": list(each.needed_by),
                "advice": each.advice,
            }
            for each in diagnosis.findings
        ],
    }


def write(diagnosis: Diagnosis, output: TextIO, *, as_json: bool) -> None:
    """Write the diagnosis, as one JSON document or in words as wide as the terminal."""
    if as_json:
        print(json.dumps(document(diagnosis), indent=2), file=output)
    else:
        show(diagnosis, output, shutil.get_terminal_size().columns)


def show(diagnosis: Diagnosis, output: TextIO, width: int) -> None:
    """Write the diagnosis for people, each finding under the first command that needs it.

    Args:
        width: columns; colours are for terminals.
    """
    page = _Page(output, width)
    page.paragraph([], f"{diagnosis.distribution}, Linux {diagnosis.kernel}")
    for name, possible, more in _verdicts(diagnosis):
        page.paragraph([(f"{name:10}", ""), ("yes", _GREEN) if possible else ("no", _RED)], more)
    for command, heading in _HEADINGS.items():
        page.paragraph([], "")
        page.paragraph([(heading, _BOLD)], "")
        for each in diagnosis.findings:
            if _heading_of(each) == command:
                _show_finding(each, max(len(each.id) for each in diagnosis.findings), page)


class _Page:
    """Text in paragraphs of a width."""

    def __init__(self, output: TextIO, width: int) -> None:
        self._output, self._width = output, width
        # Source: https://no-color.org
        self._is_coloured = output.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"

    def paragraph(self, start: list[tuple[str, str]], words: str) -> None:
        """Write a paragraph, wrapped between words and indented after its start.

        Args:
            start: texts with their styles; "" for none.
            words: rest of the paragraph.
        """
        indent = sum(len(text) for text, _ in start)
        room = max(self._width - indent, _LEAST_ROOM)
        first, *rest = textwrap.wrap(words, room, break_long_words=False, break_on_hyphens=False) or [""]
        print("".join(self._styled(*each) for each in start) + first, file=self._output)
        for line in rest:
            print(" " * indent + line, file=self._output)

    def _styled(self, text: str, style: str) -> str:
        return f"\x1b[{style}m{text}\x1b[0m" if style and self._is_coloured else text


def _verdicts(diagnosis: Diagnosis) -> Iterator[tuple[str, bool, str]]:
    chosen = diagnosis.chosen
    implementation = "" if chosen is None else f", with WireGuard: {chosen.name} {chosen.version}".rstrip()
    as_whom = ", as root" if diagnosis.root else ", as this user"
    for name, possible, more in (("up", diagnosis.up, implementation), ("gate", diagnosis.gate, as_whom)):
        yield name, possible, more if possible else ": " + ", ".join(each.id for each in diagnosis.missing(name))
    rootless = next(each for each in diagnosis.findings if each.id == "rootless")
    yield "rootless", diagnosis.rootless, f": {rootless.found}"


def _heading_of(finding: Finding) -> str:
    return next(command for command in _HEADINGS if command in finding.needed_by)


def _show_finding(finding: Finding, width: int, page: _Page) -> None:
    state = (f"{finding.state.value:{_STATE_WIDTH}}", _STYLE[finding.state])
    page.paragraph([("  ", ""), state, (f"  {finding.id:{width}}  ", "")], finding.found)
    if finding.advice:
        # Below the finding, with nearly the whole width, as commands there are to be copied.
        page.paragraph([(" " * (_STATE_WIDTH + 4) + "-> ", "")], finding.advice)
