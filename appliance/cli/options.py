"""Options that several commands have. What they mean is `settings`' to say."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

# A text: to a Path, nothing is the folder that one is in.
Data = Annotated[str | None, typer.Option(metavar="DIR", help="Folder of the store.")]
Config = Annotated[Path | None, typer.Option(metavar="FILE", help="Configuration file (TOML).")]
DatabaseUrl = Annotated[str | None, typer.Option(metavar="URL", help="Another store than SQLite in the data folder.")]
Listen = Annotated[str | None, typer.Option(metavar="HOST:PORT", help="For pages and API, over HTTPS.")]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON document instead of words.")]
