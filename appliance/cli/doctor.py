"""``doctor``: tell what this host offers and lacks, and what to do."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterator
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.text import Text

from appliance import host
from appliance.cli.errors import Exit
from appliance.host import Diagnosis, Finding, FindingState

_STYLE = {FindingState.OK: "green", FindingState.MISSING: "bold red", FindingState.OPTIONAL: "yellow"}
_STATE_WIDTH = max(len(state.value) for state in FindingState)
_LEAST_ROOM = 20
_HEADINGS = {
    "up": "To run the hub (up)",
    "gate": "To run the gate, as this user",
    "test": "To run the tests",
    "lab": "For labs",
}


def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document instead of words.")] = False,
) -> None:
    """Tell what this host offers and lacks, and what to do about it. Changes nothing.

    Exit codes: 0 the hub can run here, 69 the host lacks something for it, 77 all that is lacking is root.
    """
    diagnosis = host.diagnose(host.find_facts())
    if as_json:
        print(json.dumps(document(diagnosis), indent=2))
    else:
        show(diagnosis, Console(highlight=False))
    raise typer.Exit(exit_code(diagnosis))


def exit_code(diagnosis: Diagnosis) -> int:
    """Choose the exit code."""
    if diagnosis.up:
        return 0
    return Exit.NOT_PERMITTED if diagnosis.up_lacks_only_root else Exit.UNAVAILABLE


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


def show(diagnosis: Diagnosis, console: Console) -> None:
    """Print the diagnosis for people, each finding under the first command that needs it."""
    _print(console, Text(), f"{diagnosis.distribution}, Linux {diagnosis.kernel}")
    for name, possible, more in _verdicts(diagnosis):
        word = ("yes", "green") if possible else ("no", "bold red")
        _print(console, Text.assemble(f"{name:10}", word), more)
    for command, heading in _HEADINGS.items():
        console.print()
        _print(console, Text(heading, style="bold"))
        for each in diagnosis.findings:
            if _heading_of(each) == command:
                _show_finding(each, max(len(each.id) for each in diagnosis.findings), console)


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


def _show_finding(finding: Finding, width: int, console: Console) -> None:
    state = (f"{finding.state.value:{_STATE_WIDTH}}", _STYLE[finding.state])
    _print(console, Text.assemble("  ", state, f"  {finding.id:{width}}  "), finding.found)
    if finding.advice:
        # Below the finding, with nearly the whole width, as commands there are to be copied.
        _print(console, Text(" " * (_STATE_WIDTH + 4) + "-> "), finding.advice)


def _print(console: Console, start: Text, words: str = "") -> None:
    """Print a paragraph, wrapped between words and indented after its start."""
    room = max(console.width - start.cell_len, _LEAST_ROOM)
    first, *rest = textwrap.wrap(words, room, break_long_words=False, break_on_hyphens=False) or [""]
    # Rich's own wrapping pads lines with spaces and cuts long words.
    console.print(start + Text(first), soft_wrap=True)
    for line in rest:
        console.print(Text(" " * start.cell_len + line), soft_wrap=True)
