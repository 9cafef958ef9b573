"""Options that several commands have. What they mean is `settings`' to say."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Data = Annotated[Path | None, typer.Option(help="Folder of the store.")]
Config = Annotated[Path | None, typer.Option(help="Configuration file (TOML).")]
DatabaseUrl = Annotated[str | None, typer.Option(help="Another store than SQLite in the data folder.")]
Listen = Annotated[str | None, typer.Option(help="HOST:PORT for pages and API, over HTTPS.")]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON document instead of words.")]
