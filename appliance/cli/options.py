"""Options that several commands have. What they mean is `settings`' to say."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from appliance.cli.option_table import OPTIONS, Given, name_of, value_of


def _folder(text: str) -> Path:
    """The data folder. An empty text would otherwise be the folder that one is in."""
    found: Path = value_of(OPTIONS["data"], Given(name_of("data"), text))
    return found


Data = Annotated[Path | None, typer.Option(metavar="DIR", parser=_folder, help="Folder of the store.")]
Config = Annotated[Path | None, typer.Option(metavar="FILE", help="Configuration file (TOML).")]
DatabaseUrl = Annotated[str | None, typer.Option(metavar="URL", help="Another store than SQLite in the data folder.")]
Listen = Annotated[str | None, typer.Option(metavar="HOST:PORT", help="For pages and API, over HTTPS.")]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON document instead of words.")]
