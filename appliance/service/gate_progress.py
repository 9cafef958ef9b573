"""Run of the gate that goes on: its state, from the file that ``gate --state`` keeps in the folder of runs."""

from __future__ import annotations

import os
from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta

from appliance import files

NAME = "live.json"
"""Name of the file."""

SILENT_AFTER = timedelta(seconds=60)
"""A run that goes on writes at least every ten seconds."""

_LARGEST = 2**20
_MOST_ROWS = 50

_Text = Annotated[str, Meta(max_length=2000)]


class GateStream(msgspec.Struct, frozen=True):
    """A stream of packets of a scenario.

    Attributes:
        wrong: packets that were delivered although denied or lost although allowed.
    """

    name: _Text
    sent: int
    delivered: int
    denied: int
    wrong: int


class GateRow(msgspec.Struct, frozen=True):
    """A scenario or a sabotage.

    Attributes:
        words: title of a scenario, or what a sabotage broke.
        verdict: "running" until it has one.
        why: reason of a verdict, if it has one.
    """

    claim: _Text
    name: _Text
    words: _Text
    verdict: _Text
    seconds: float
    why: _Text
    streams: Annotated[tuple[GateStream, ...], Meta(max_length=_MOST_ROWS)]

    @property
    def is_bad(self) -> bool:
        """True for a verdict with which no release goes out."""
        return self.verdict not in ("proven", "noticed", "running")


class GateCounts(msgspec.Struct, frozen=True):
    """Numbers of scenarios by verdict, and of sabotages by outcome."""

    proven: int = 0
    refuted: int = 0
    inconclusive: int = 0
    scenarios: int = 0
    noticed: int = 0
    missed: int = 0
    sabotages: int = 0


class GateProgress(msgspec.Struct, frozen=True):
    """State of a run.

    Attributes:
        at: when it was written; seconds since the epoch.
        stage: "running", "passed", "failed", or "ended early" without a verdict.
    """

    at: float
    stage: _Text
    is_over: bool
    started_at: _Text
    profile: _Text
    counts: GateCounts
    running: Annotated[tuple[GateRow, ...], Meta(max_length=_MOST_ROWS)]
    ended: Annotated[tuple[GateRow, ...], Meta(max_length=_MOST_ROWS)]

    def is_silent(self, now: datetime) -> bool:
        """True if the run has not ended, and does not write any more: it was killed."""
        return not self.is_over and now.timestamp() - self.at > SILENT_AFTER.total_seconds()


# Made at import, for the reason in CONTRIBUTING.md.
_decoder = msgspec.json.Decoder(GateProgress)


def read(folder: Path) -> GateProgress | None:
    """Read the state of the last run that kept one in the folder of runs; None if there is none.

    A file that is large, a link or another user's, or no state, is passed over.
    """
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        return _decoder.decode(files.read_plain(descriptor, NAME, _LARGEST))
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError):
        return None
    finally:
        os.close(descriptor)
