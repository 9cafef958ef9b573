"""A run as it goes on: a live page (``--watch`` of ``gate`` and ``test``), and a file (``--state`` of ``gate``)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from harness.cli import entering
from harness.cli.console import CONSOLE
from reports import addresses
from reports.ending import CANNOT_CREATE, end
from reports.events.board import Board
from reports.events.format import AnyEvent
from reports.events.server import LivePage
from reports.events.state import StateFile
from reports.keys import export_state

_LONGEST_STAY_S = 60.0


class Watch:
    """Board of a run with its live page, or nothing if nobody wants to watch.

    Args:
        page: the page; None for no page.
        board: the board of what else shows the run; that of the page if there is one.
    """

    def __init__(self, page: LivePage | None = None, board: Board | None = None) -> None:
        self._page = page
        self._board = board if page is None else page.board

    def take(self, event: AnyEvent, _: bytes) -> None:
        """Shows an event."""
        if self._board is not None:
            self._board.apply(event)

    def link(self, folder: Path) -> None:
        """Links the files of the run.

        Args:
            folder: folder of the run.
        """
        if self._page is not None:
            self._page.link(folder)

    def wait_for_readers(self) -> None:
        """Waits while somebody looks at the page, up to a minute."""
        if self._page is None:
            return
        try:
            if self._page.is_read():
                CONSOLE.print(f"{self._page.url} stays for a minute while somebody looks at it; Ctrl-C ends it now.")
            self._page.wait_for_readers(_LONGEST_STAY_S)
        except KeyboardInterrupt:
            # The run has its verdict.
            return


@contextmanager
def entered(listen: str | None, state: Path | None = None) -> Iterator[Watch]:
    """Continues in a sandbox, and shows the run from there.

    Args:
        listen: ``HOST:PORT`` of the live page outside of the sandbox; None for no page.
        state: file that tells what the run is doing; None for none.
    """
    export_state()
    with ExitStack() as stack:
        if listen is None:
            entering.enter_sandbox()
            page, board = None, Board()
        else:
            inward = entering.enter_sandbox_with_way_in("watch", listen, "live page")
            host, _ = addresses.parse(listen)
            page = stack.enter_context(LivePage(inward.listener, Board(), names=(host,)))
            board = page.board
            CONSOLE.print(f"live page: {page.url}")
        if state is not None:
            try:
                stack.enter_context(StateFile(state, board))
            except OSError as error:
                end(f"{state} can't be written: {error.strerror}.", CANNOT_CREATE)
        yield Watch(page, None if state is None else board)
