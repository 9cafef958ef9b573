"""Options that take one value, and are refused with two: typer would silently keep the last.

After `--claim one-hub --claim no-egress`, it would look as if both claims had been tried.
"""

from __future__ import annotations

from collections import Counter
from functools import partial
from typing import Any


def refuse_repeats(command: Any) -> Any:
    """Make a command, and those below it, refuse an option that takes one value and is given several."""
    command.parse_args = partial(_parse, command, command.parse_args)
    for each in getattr(command, "commands", {}).values():
        refuse_repeats(each)
    return command


def _parse(command: Any, parse: Any, context: Any, arguments: list[str]) -> Any:
    # typer's own parsing does not tell how often an option was given. A parser empties the list that it is given.
    _, _, given = command.make_parser(context).parse_args(list(arguments))
    for parameter, count in Counter(given).items():
        if count > 1 and not parameter.multiple and not parameter.is_flag:
            context.fail(f"{parameter.opts[0]} takes one value, and several were given")
    return parse(context, arguments)
