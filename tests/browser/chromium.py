"""Start Chromium for the tests and the screenshots."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright

# The shell is Chromium without windows, and opens and loads pages in a third of the processor time or less.
_INSTALLED = tuple(map(Path, ("/usr/bin/chromium-headless-shell", "/usr/bin/chromium")))
_FLAGS = (
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
)


class NoChromium(Exception):
    """Chromium is installed neither on this machine nor by playwright."""


@contextmanager
def chromium(home: Path) -> Iterator[Browser]:
    """Runs a headless Chromium for as long as ``with`` lasts.

    The machine's own is used if there is one, otherwise the one that playwright installed.

    Args:
        home: folder in which the browser leaves settings and caches, in place of the user's home.

    Raises:
        NoChromium: there is none.
    """
    with sync_playwright() as playwright:
        named = os.environ.get("MESHWG_CHROMIUM")
        programs = (*([Path(named)] if named else _INSTALLED), Path(playwright.chromium.executable_path))
        program = next((each for each in programs if each.exists()), None)
        if program is None:
            raise NoChromium("no Chromium is installed: ./meshwg setup installs it, or MESHWG_CHROMIUM names it")
        launched = playwright.chromium.launch(
            executable_path=program,
            args=[*_FLAGS, *(["--no-sandbox"] if os.geteuid() == 0 else [])],
            env={**os.environ, "HOME": str(home)},
        )
        yield launched
        launched.close()
