"""Live page of a run: the option ``--watch`` of ``gate`` and ``test``."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from harness.cli import entering
from harness.cli.console import CONSOLE
from reports import addresses
from reports.events.board import Board
from reports.events.format import AnyEvent
from reports.events.server import LivePage
from reports.keys import export_state

_LONGEST_STAY_S = 60.0


class Watch:
    """Live page of a run, or nothing if nobody wants to watch.

    Args:
        page: the page; None for nothing.
    """

    def __init__(self, page: LivePage | None = None) -> None:
        self._page = page

    def take(self, event: AnyEvent, _: bytes) -> None:
        """Shows an event."""
        if self._page is not None:
            self._page.board.apply(event)

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
def entered(listen: str | None) -> Iterator[Watch]:
    """Continues in a sandbox, and serves the live page there.

    Args:
        listen: ``HOST:PORT`` outside of the sandbox; None for no page.
    """
    export_state()
    if listen is None:
        entering.enter_sandbox()
        yield Watch()
        return
    inward = entering.enter_sandbox_with_way_in("watch", listen, "live page")
    host, _ = addresses.parse(listen)
    with LivePage(inward.listener, Board(), names=(host,)) as page:
        CONSOLE.print(f"live page: {page.url}")
        yield Watch(page)
