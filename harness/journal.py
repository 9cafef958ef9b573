"""Journals in JSON lines, from which a later run goes on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Generic, TypeVar

import msgspec

E = TypeVar("E", bound=msgspec.Struct)


class Journal(Generic[E]):
    """Entries so far; each is written at once, so that a run that is cut off loses none.

    Args:
        file: the file; it is begun anew unless `goes_on`.
        kind: type of the entries.
        key: returns what an entry is about; a later entry about the same replaces an earlier one.
        goes_on: keeps the entries of earlier runs.
    """

    def __init__(self, file: Path, kind: type[E], key: Callable[[E], object], *, goes_on: bool) -> None:
        self._file = file
        self._kind = kind
        self._key = key
        self._entries = {key(entry): entry for entry in self._read()} if goes_on else {}
        # Written anew, since the last line of a run that was cut off may be incomplete.
        file.write_bytes(b"".join(map(_line, self._entries.values())))

    def find(self, key: object) -> E | None:
        """Returns the entry about something, if there is one."""
        return self._entries.get(key)

    def keep(self, entry: E) -> E:
        """Writes an entry."""
        self._entries[self._key(entry)] = entry
        with self._file.open("ab") as file:
            file.write(_line(entry))
        return entry

    def _read(self) -> Iterator[E]:
        lines = self._file.read_bytes().splitlines() if self._file.exists() else []
        for number, line in enumerate(lines, 1):
            try:
                yield msgspec.json.decode(line, type=self._kind)
            except msgspec.DecodeError:
                if number < len(lines):
                    raise


def _line(entry: msgspec.Struct) -> bytes:
    return msgspec.json.encode(entry) + b"\n"
