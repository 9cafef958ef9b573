"""Options of commands, made from the table (`option_table`)."""

from __future__ import annotations

from collections.abc import Callable
from inspect import Parameter, Signature, signature
from pathlib import Path
from typing import Annotated, Any

import typer

from appliance.cli.option_table import OPTIONS, Given, name_of, value_of
from appliance.cli.settings import check_names, resolve


def _folder(text: str) -> Path:
    """Parse the data folder; typer would take an empty text for the current folder."""
    found: Path = value_of(OPTIONS["data"], Given(name_of("data"), text))
    return found


AsJson = Annotated[bool, typer.Option("--json", help="One JSON document instead of words.")]
_CONFIG = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="Configuration file (TOML). [default: that of MESHWG_CONFIG, or none]"),
]


def with_settings(*keys: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Decorate a command: add the options of these keys and ``--config``, and pass the settings.

    The command takes them as ``settings``, beside parameters of its own.
    """

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        def run(*arguments: Any, config: Path | None = None, **named: Any) -> None:
            # Only here: the service's own processes get what was checked, and variables that nobody typed.
            check_names()
            given = {key: named.pop(key, None) for key in keys}
            command(*arguments, **named, settings=resolve(given, config))

        own = [each for each in signature(command, eval_str=True).parameters.values() if each.name != "settings"]
        added = {**{key: _annotation(key) for key in keys}, "config": _CONFIG}
        more = [Parameter(key, Parameter.KEYWORD_ONLY, default=None, annotation=kind) for key, kind in added.items()]
        vars(run)["__signature__"] = Signature([*own, *more])
        run.__doc__ = command.__doc__
        return run

    return decorate


def _annotation(key: str) -> Any:
    option = OPTIONS[key]
    kind: Any = list[option.kind] if option.is_repeatable else option.kind  # type: ignore[name-defined]
    parser = _folder if key == "data" else None
    shown = f"{option.help} [default: {option.usual}]"
    return Annotated[kind | None, typer.Option(name_of(key), metavar=option.metavar, help=shown, parser=parser)]
