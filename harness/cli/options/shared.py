"""Options that several commands have."""

from __future__ import annotations

from typing import Annotated

import typer

from harness.cli.choices import WIREGUARD, in_words

ThrowawayKey = Annotated[
    bool,
    typer.Option(
        "--throwaway-key", help="Sign with a key for this run alone, which is in no log of runs, instead of your own."
    ),
]
Wireguard = Annotated[str, typer.Option(metavar="NAME", help=f"The hub's implementation: {in_words(WIREGUARD)}.")]

Watch = Annotated[
    str | None,
    typer.Option(metavar="HOST:PORT", help="Show the gate as it happens, on a page at this address (http)."),
]
