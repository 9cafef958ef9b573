"""Values of options, converted without pydantic where there is nothing to convert.

typer loads pydantic to convert any value, also one that was not given: a sixth of the time of a short command.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from typer.core import TyperOption


def spare(command: Any) -> Any:
    """Spare the options of a command, and of those below it, conversions that change nothing."""
    for parameter in command.params:
        if isinstance(parameter, TyperOption):
            _spare(parameter)
    make_help = command.get_help_option
    command.get_help_option = lambda context: _spare(make_help(context))
    for each in getattr(command, "commands", {}).values():
        spare(each)
    return command


def _spare(option: Any) -> Any:
    if option is not None and "process_value" not in vars(option):
        option.process_value = partial(_process, option, option.process_value)
    return option


def _process(option: TyperOption, convert: Callable[[Any, Any], Any], context: Any, value: Any) -> Any:
    """Return a value's conversion: typer's own where the value is wrong, or may become another one."""
    annotation, parse = option.type_descriptor.annotation, option.type_descriptor.parameter_info.parser
    if value is None and not option.required:
        value = () if option.multiple else None
    elif annotation == list[str] and value and all(isinstance(each, str) and each.isascii() for each in value):
        value = list(value)
    elif not isinstance(value, str) or not value.isascii():
        # typer says what is wrong with a text that is not Unicode.
        return convert(context, value)
    elif parse is not None:
        value = parse(value)
    elif annotation is not str:
        return convert(context, value)
    return value if option.callback is None else option.callback(context, option, value)
