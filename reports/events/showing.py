"""Body of `transcript replay`: the page of an old run, until Ctrl-C."""

from __future__ import annotations

import math
import signal
import threading
from pathlib import Path

from reports.addresses import listen, parse
from reports.ending import ADDRESS_IN_USE, BAD_USAGE, FAILED, NO_INPUT
from reports.events import recording
from reports.events.board import Board
from reports.events.replay import replay
from reports.events.server import LivePage
from reports.schema import TranscriptError, is_folder, load


class NotShown(Exception):
    """A run can't be shown; the message is one sentence with the reason.

    Attributes:
        code: exit code of the command.
    """

    def __init__(self, reason: str, code: int) -> None:
        """Makes the error.

        Args:
            reason: the sentence.
            code: exit code of the command.
        """
        super().__init__(reason)
        self.code = code


def show(path: Path, address: str, speed: float) -> None:
    """Serves the page of an old run until SIGINT or SIGTERM.

    Args:
        path: a recording, or the folder of a run.
        address: HOST:PORT to listen on.
        speed: factor by which it goes faster than the run did.

    Raises:
        NotShown: the options, the files or the address can't be used.
    """
    if not (math.isfinite(speed) and 0 < speed <= 1000):
        raise NotShown("--speed takes a number above 0, up to 1000.", BAD_USAGE)
    try:
        host, port = parse(address)
    except ValueError:
        port = None
    if port is None:
        raise NotShown(f"--listen takes HOST:PORT, an IPv6 address in brackets, not {address!r}.", BAD_USAGE)
    folder = path if is_folder(path) else path.parent
    try:
        if (folder / "transcript.json").exists() and (is_folder(path) or path.name == recording.NAME):
            recording.check(folder, load(folder))
        events = list(recording.read(path))
    except (recording.Unreadable, TranscriptError) as error:
        raise NotShown(str(error), NO_INPUT) from error
    except recording.RecordingError as error:
        raise NotShown(str(error), FAILED) from error
    try:
        listener = listen(host, port)
    except OSError as error:
        raise NotShown(f"The page can't be reached at {address}: {error.strerror}.", ADDRESS_IN_USE) from error
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    board = Board()
    with LivePage(listener, board, names=(host,), replayed=True) as page:
        print(f"replay: {page.url} (Ctrl-C ends it)", flush=True)
        replay(events, board, speed, stop)
        page.link(folder)
        stop.wait()
