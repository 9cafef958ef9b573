"""Help of all commands, as plain text that fits the terminal."""

from __future__ import annotations

import ast
import re
import shutil
import textwrap
from collections.abc import Sequence
from typing import Any

from typer.core import TyperGroup

WIDEST = 100
"""Most columns of texts for people."""
_NARROWEST = 20
# Below this, a column of explanations beside one of names has no room for whole words.
_TWO_COLUMNS = 64
_FIRST_SENTENCE = re.compile(r"(?s)(.*?\.)(\s|$)")
# Of whichever click typer brings.
_Context: Any = TyperGroup.context_class
_Formatter: Any = _Context.formatter_class


class Formatter(_Formatter):  # type: ignore[misc]
    """Formats help so that no line is longer than the terminal is wide and no word is broken."""

    def write_dl(self, rows: Sequence[tuple[str, str]], col_max: int = 30, col_spacing: int = 2) -> None:
        """Write names with their explanations: beside them, or below them where the terminal is narrow."""
        if self.width >= _TWO_COLUMNS:
            super().write_dl(rows, col_max, col_spacing)
            return
        indent = " " * self.current_indent
        for name, explanation in rows:
            self.write(f"{indent}{name}\n")
            room = max(self.width - len(indent) - 4, _NARROWEST)
            for line in textwrap.wrap(explanation, room, break_long_words=False, break_on_hyphens=False):
                self.write(f"{indent}    {line}\n")

    def getvalue(self) -> str:
        """The help, without blanks at the ends of lines: a terminal as wide as the line would break it there."""
        return re.sub(r" +$", "", super().getvalue(), flags=re.MULTILINE)


class HelpContext(_Context):  # type: ignore[misc]
    """A command's context, whose help has our format."""

    formatter_class = Formatter

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **{"help_option_names": ["-h", "--help"], **named})


def width() -> int:
    """Columns that help may use."""
    return max(min(shutil.get_terminal_size().columns, WIDEST), _NARROWEST)


def make_plain(command: Any) -> Any:
    """Give a command, and those below it, plain help: no frames, no markup, nothing cut off in lists of commands."""
    command.rich_markup_mode = None
    command.context_class = HelpContext
    command.short_help = summary(command.help or "") or command.short_help
    for each in getattr(command, "commands", {}).values():
        make_plain(each)
    return command


def summary(text: str) -> str:
    """Return the first sentence of a help text, in one line; "" if it has none."""
    first = _FIRST_SENTENCE.match(text.partition("\n\n")[0])
    return "" if first is None else " ".join(first[1].split())


def written(source: str, name: str) -> str:
    """Find a command's help in its module's source.

    Importing the modules of all commands takes far longer than reading them.

    Args:
        name: of the function, whose docstring is the help, or of the `typer.Typer` that is made with it.
    """
    for node in ast.parse(source).body:
        match node:
            case ast.FunctionDef(name=found) if found == name:
                return ast.get_docstring(node) or ""
            case ast.Assign(targets=[ast.Name(id=found)], value=ast.Call(keywords=named)) if found == name:
                return str(next(ast.literal_eval(each.value) for each in named if each.arg == "help"))
    raise LookupError(name)
