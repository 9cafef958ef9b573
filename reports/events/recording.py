"""Recording of a run's events: a file while the run goes on, and a compressed one beside its transcript."""

from __future__ import annotations

import gzip
import hashlib
import os
import tempfile
import time
import zlib
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from reports.events.format import VERSION, AnyEvent, RunBegun, RunEnded, SabotageEnded, ScenarioEnded, decode
from reports.schema import Transcript, is_folder

NAME = "events.jsonl.gz"
MOST_BYTES = 16 << 20
"""Most bytes of a recording before it is compressed. It holds an hour of all scenarios several times."""

_RESERVED = 2 << 20
"""Bytes of it for verdicts, so that these have room however many streams and saves there were."""

_LONGEST = 1 << 20
"""Longest line that a reader takes; the first event lists everything that is planned."""

_PREFIX = ".events-"
_WEEK_S = 7 * 24 * 3600.0


class RecordingError(Exception):
    """A recording can't be read, or is not the one of its transcript; the message is one sentence with the reason."""


class Unreadable(RecordingError):
    """The file is missing, can't be read or is no recording; the message is one sentence with the reason."""


class Recorder:
    """Writes events into a file as they happen, so that those of a killed run are not lost.

    A file that can't be written, such as on a full disk, ends the recording and nothing else.

    Attributes:
        left_out: number of events that had no room.
    """

    def __init__(self, out: Path, most_bytes: int = MOST_BYTES, reserved: int = _RESERVED) -> None:
        """Makes the file, and removes those that killed runs left a week ago.

        Args:
            out: folder of all runs.
            most_bytes: most bytes of the file.
            reserved: bytes of it for verdicts.
        """
        self.left_out = 0
        self._room, self._reserved = most_bytes, reserved
        self._file: Path | None = None
        self._descriptor = -1
        with suppress(OSError):
            _remove_old(out)
            self._descriptor, name = tempfile.mkstemp(prefix=_PREFIX, suffix=".jsonl", dir=out)
            self._file = Path(name)

    def add(self, event: AnyEvent, line: bytes) -> None:
        """Writes one event.

        Args:
            event: the event.
            line: its line.
        """
        if self._file is None:
            return
        needed = 0 if isinstance(event, (RunBegun, ScenarioEnded, SabotageEnded, RunEnded)) else self._reserved
        if self._room - len(line) < needed:
            self.left_out += 1
            return
        try:
            written = os.write(self._descriptor, line)
        except OSError:
            written = 0
        self._room -= len(line)
        if written != len(line):
            self.discard()

    def compressed(self) -> bytes | None:
        """Returns the content of `NAME`; None if the recording could not be written."""
        if self._file is None:
            return None
        try:
            return gzip.compress(self._file.read_bytes(), mtime=0)
        except OSError:
            return None

    def discard(self) -> None:
        """Removes the file. May be called twice."""
        if self._file is not None:
            with suppress(OSError):
                os.close(self._descriptor)
            with suppress(OSError):
                self._file.unlink()
        self._file = None


def _remove_old(out: Path) -> None:
    for other in out.glob(f"{_PREFIX}*.jsonl"):
        with suppress(FileNotFoundError):
            if time.time() - other.stat().st_mtime > _WEEK_S:
                other.unlink()


def digest(content: bytes) -> str:
    """Returns the SHA-256 of a recording, as a transcript names it."""
    return hashlib.sha256(content).hexdigest()


def check(folder: Path, transcript: Transcript) -> None:
    """Checks that the recording beside a transcript, if there is one, is the one that the transcript names.

    Args:
        folder: folder of the run.
        transcript: its transcript.

    Raises:
        Unreadable: the file can't be read.
        RecordingError: it is another.
    """
    file = folder / NAME
    try:
        content = file.read_bytes()
    except FileNotFoundError:
        return
    except OSError as error:
        raise Unreadable(f"{file} can't be read: {error.strerror}.") from error
    if digest(content) != transcript.events:
        raise RecordingError(f"{file} is not the recording that the transcript names.")


def read(path: Path) -> Iterator[AnyEvent]:
    """Reads a recording. Lines that were cut and events of unknown kinds are skipped.

    Args:
        path: the file, compressed or not, or the folder of its run.

    Raises:
        Unreadable: there is no such file, it has no event, or it is of a newer version.
    """
    file = path / NAME if is_folder(path) else path
    found = False
    try:
        for line in _lines(file):
            event = decode(line)
            if isinstance(event, RunBegun) and event.version > VERSION:
                raise Unreadable(
                    f"{file} is of version {event.version}, and this program reads up to version {VERSION}."
                )
            if event is not None:
                found = True
                yield event
    except OSError as error:
        raise Unreadable(f"{file} can't be read: {error.strerror or error}.") from error
    if not found:
        raise Unreadable(f"{file} is no recording of a run.")


def _lines(file: Path) -> Iterator[bytes]:
    """Yields the lines of a file up to a bound, and ends where a compressed file was cut or damaged."""
    left = 2 * MOST_BYTES
    with file.open("rb") as plain:
        is_compressed = plain.read(2) == b"\x1f\x8b"
    cuts = suppress(EOFError, zlib.error, gzip.BadGzipFile)
    with cuts, gzip.open(file) if is_compressed else file.open("rb") as content:
        while left > 0 and (line := content.readline(min(_LONGEST, left))):
            left -= len(line)
            yield line
