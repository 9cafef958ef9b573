"""Options of commands, made of the table (`option_table`)."""

from __future__ import annotations

from collections.abc import Callable
from inspect import Parameter, Signature
from pathlib import Path
from typing import Annotated, Any

import typer

from appliance.cli.option_table import OPTIONS, Given, name_of, value_of
from appliance.cli.settings import Settings, resolve


def _folder(text: str) -> Path:
    """The data folder. An empty text would otherwise be the folder that one is in."""
    found: Path = value_of(OPTIONS["data"], Given(name_of("data"), text))
    return found


def _option(key: str, **more: Any) -> Any:
    return typer.Option(name_of(key), metavar=OPTIONS[key].metavar, help=OPTIONS[key].help, **more)


Data = Annotated[Path | None, _option("data", parser=_folder)]
Config = Annotated[Path | None, typer.Option(metavar="FILE", help="Configuration file (TOML).")]
DatabaseUrl = Annotated[str | None, _option("database_url")]
Listen = Annotated[str | None, _option("listen")]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON document instead of words.")]


def with_all_settings(command: Callable[[Settings], None]) -> Callable[..., None]:
    """Turn a command that takes settings into one that takes every option of the table, and a configuration file."""

    def run(config: Path | None = None, **given: Any) -> None:
        command(resolve(given, config))

    taken = {key: _annotation(key) for key, option in OPTIONS.items() if option.metavar}
    signature = Signature(
        [
            Parameter(key, Parameter.KEYWORD_ONLY, default=None, annotation=annotation)
            for key, annotation in {**taken, "config": Config}.items()
        ]
    )
    run.__doc__ = command.__doc__
    vars(run)["__signature__"] = signature
    return run


def _annotation(key: str) -> Any:
    if key == "data":
        return Data
    option = OPTIONS[key]
    kind: Any = list[option.kind] if option.is_repeatable else option.kind  # type: ignore[name-defined]
    return Annotated[kind | None, _option(key)]
