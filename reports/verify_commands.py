"""Bodies of `transcript verify`, `transcript log verify` and `transcript log list`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from reports import keys, looking, scope, verifying
from reports.ending import BAD_USAGE, FAILED, NO_INPUT, end
from reports.errors import AttestationError, Unreadable
from reports.events import recording
from reports.log.audit import Audit, audit
from reports.log.folder import CHECKPOINT, LogError, logs_folder, public_key_of
from reports.log.notes import NoteKey
from reports.schema import TranscriptError, is_folder
from reports.texts import many, one_line, printable
from reports.tree import TreeError
from reports.verifying import Verified

_BESIDE = "by the key that lies beside it: name one you know"


@contextmanager
def _refusals() -> Iterator[None]:
    """Turns reasons into one sentence and an exit code."""
    try:
        yield
    except (Unreadable, TreeError, recording.Unreadable) as error:
        end(str(error), NO_INPUT)
    except (AttestationError, TranscriptError, LogError, recording.RecordingError) as error:
        end(str(error), FAILED)


def verify(file: Path, key: Path | None, tree: Path | None, log: Path | None) -> None:
    """Verifies a transcript, and says what holds."""
    with _refusals():
        found = verifying.verify(file, key)
        print("The signature holds." if found.is_known else f"The signature holds, {_BESIDE}.")
        print(f"The key is {keys.fingerprint(found.key)}.")
        told = found.transcript
        when = f"of {told.started_at} and the profile {told.profile}"
        print(one_line(f"The run is {when}, with the verdict {told.verdict or 'unknown'}."))
        for limit in scope.limits_of(told):
            print(one_line(limit))
        _say_place(found)
        if log is not None:
            _say_log(found, log)
        if tree is not None:
            _say_tree(found, tree)


def _say_place(found: Verified) -> None:
    place = found.transcript.log
    if place is None or found.checkpoint is None:
        print("It is in no log of runs.")
        return
    place_in_words = f"the entry {place.index} of the log {place.name}, which had {found.checkpoint.size} then"
    print(one_line(f"It is {place_in_words}."))


def _say_log(found: Verified, folder: Path) -> None:
    place = found.transcript.log
    if place is None:
        end("The run is in no log.", FAILED)
    checked = verifying.check_log(found, _folder(folder))
    later = sum(run.index > place.began for run in checked.runs)
    print(f"The log {folder} holds, and has the run at its place. {many(later, 'run')} began later.")


def _say_tree(found: Verified, folder: Path) -> None:
    if found.transcript.tested is None:
        end("The transcript does not say what was tested.", FAILED)
    same, sentence = looking.compare(found.transcript.tested, folder)
    if not same:
        end(sentence, FAILED)
    print(sentence)


def verify_log(folder: Path | None, key: Path | None, since: Path | None) -> None:
    """Verifies a log, and says what holds."""
    with _refusals():
        found, name = _checked(_folder(folder), key, since)
    print("The log holds." if key else f"The log holds, {_BESIDE}.")
    unended = sum(run.ended is None for run in found.runs)
    print(f"Entries: {found.checkpoint.size}. Runs: {len(found.runs)}, of which {unended} have no end.")
    if since is not None:
        print(f"It continues what it was at {since}.")
    print(one_line(f"Its key, for programs that read signed notes: {name}"))


def list_log(folder: Path | None, key: Path | None) -> None:
    """Verifies a log, and lists its runs."""
    with _refusals():
        found, _ = _checked(_folder(folder), key, None)
    table = Table(box=None, pad_edge=False)
    for column in ("entries", "started", "profile", "verdict", "tree", "envelope"):
        table.add_column(column, overflow="fold")
    for run in found.runs:
        entries = f"{run.index}" if run.end is None else f"{run.index}, {run.end}"
        verdict, envelope = ("no end", "") if run.ended is None else (run.ended.verdict, run.ended.envelope[:16])
        tree = (run.began.subject.tree or "unknown")[:16]
        cells = (entries, run.began.at, run.began.profile, verdict, tree, envelope)
        table.add_row(*(Text(printable(each)) for each in cells))
    console = Console(highlight=False)
    console.print(table)
    console.print(Text(printable(f"{found.checkpoint.origin}: {many(len(found.runs), 'run')}")))


def _checked(folder: Path, key: Path | None, since: Path | None) -> tuple[Audit, NoteKey]:
    public = keys.public_key(key or public_key_of(folder))
    before = None if since is None else verifying.checkpoint_in(since, public)
    found = audit(folder, public, before)
    return found, NoteKey(found.checkpoint.origin, public)


def _folder(named: Path | None) -> Path:
    if named is not None:
        # Not its name alone, which a folder's path may end without.
        place = named.resolve()
        if not place.name or not is_folder(place):
            end(f"There is no folder of a log {named}.", NO_INPUT)
        return place
    own = [each.parent for each in sorted(logs_folder().glob(f"*/{CHECKPOINT}"))]
    if len(own) != 1:
        end(f"There are {len(own)} logs of runs in {logs_folder()}: name the folder of one.", BAD_USAGE)
    return own[0]
