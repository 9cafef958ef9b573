"""Error messages for wrong command lines, in place of the library's."""

from __future__ import annotations

import re
from difflib import get_close_matches
from typing import Any

_COMMAND = re.compile(r"(?s)command (['\"].+['\"])\.( Did you mean |$)")
_EXTRA = re.compile(r"(?s)argument\(s\) \((.*)\)$")


def is_help(error: Exception) -> bool:
    """True if no command was named, so that the help is the answer."""
    return type(error).__name__ == "NoArgsIsHelpError"


def sentence(error: Any) -> str:
    """Describe what is wrong with the command line in a sentence, with a hint at the help.

    Args:
        error: an error of the click that typer contains; its kinds are distinguished by their names.
    """
    context = getattr(error, "ctx", None)
    told = _WORDS.get(type(error).__name__, _others)(error)
    return f"{told}." if context is None else f"{told}; `{context.command_path} --help` tells what there is."


def _no_such_option(error: Any) -> str:
    known = [option for each in error.ctx.command.get_params(error.ctx) for option in each.opts] if error.ctx else []
    return f"There is no option {error.option_name!r}{_meant(error.option_name, known)}"


def _option_without_value(error: Any) -> str:
    lacks_one = "requires" in error.format_message()
    return f"{error.option_name} takes {'a value, and none was given' if lacks_one else 'no value'}"


def _missing(error: Any) -> str:
    return f"{_name(error.param)} is missing"


def _bad_value(error: Any) -> str:
    if error.param is None:
        return _others(error)
    return f"{_name(error.param)} takes {_wanted(error.param)}"


def _others(error: Any) -> str:
    text = str(error.format_message())
    command: Any = getattr(error, "cmd", None)
    if hasattr(command, "list_commands"):
        found = _COMMAND.search(text)
        if found is None:
            return "A command is missing"
        return f"There is no command {found[1]}{_meant(found[1][1:-1], command.list_commands(error.ctx))}"
    found = _EXTRA.search(text)
    return text.rstrip(".") if found is None else f"{found[1]!r} is more than it takes"


def _meant(word: str, known: list[str]) -> str:
    close = get_close_matches(word, known, 1)
    return f" (did you mean {close[0]}?)" if close else ""


def _name(param: Any) -> str:
    options = [each for each in param.opts if each.startswith("--")]
    return options[0] if options else str(param.metavar or param.name).upper()


def _wanted(param: Any) -> str:
    kind: Any = getattr(getattr(param, "type_descriptor", None), "annotation", None)
    noun = _KINDS.get(kind, "another value")
    least, most = getattr(param, "min", None), getattr(param, "max", None)
    if least is not None and most is not None:
        return f"{noun} from {least} to {most}"
    if least is not None:
        return f"{noun} of at least {least}"
    return noun if most is None else f"{noun} of at most {most}"


_KINDS = {int: "a whole number", float: "a number"}
_WORDS = {
    "NoSuchOption": _no_such_option,
    "BadOptionUsage": _option_without_value,
    "MissingParameter": _missing,
    "BadParameter": _bad_value,
}
